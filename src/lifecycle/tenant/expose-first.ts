import { RevisionConflictError, UnsupportedError } from '../../errors.ts'
import type { AuditEntry, Expectation, Put, Registry } from '../../registry/registry.ts'

/** Records of one commit: Consul takes 64 changes, some of them its own. */
const AT_ONCE = 20

/** A tenant that is isolated until a commit is made: as it is then to be on record. */
export interface Exposure {
  readonly put: Extract<Put, { kind: 'tenant' }>
  readonly expectation: Expectation
}

/**
 * Makes a commit that takes tenants their isolation. Where that is more than the registry takes at once, they lose it
 * before, some at a time: at no moment is one on record as isolated that is not.
 * @param audit of the commit; that of those before says `tenant.expose`.
 * @param told of each that lost it before.
 * @throws {RevisionConflictError} then: look again, and commit what is left; and what `commit` throws.
 */
export async function withExposed<T>(
  registry: Registry,
  exposures: readonly Exposure[],
  audit: AuditEntry,
  told: (exposure: Exposure) => void,
  commit: () => Promise<T>,
): Promise<T> {
  try {
    return await commit()
  } catch (error) {
    if (!(error instanceof UnsupportedError) || exposures.length === 0) throw error
  }
  for (let at = 0; at < exposures.length; at += AT_ONCE) {
    const some = exposures.slice(at, at + AT_ONCE)
    const tenants = some.map(({ put }) => put.id).join(' ')
    await registry.commit(
      {
        puts: some.map(({ put }) => put),
        audit: { ...audit, action: 'tenant.expose', detail: { tenants } },
      },
      some.map(({ expectation }) => expectation),
    )
    for (const exposure of some) told(exposure)
  }
  throw new RevisionConflictError('tenants lost their isolation before what exposes them is on record')
}
