import { RevisionConflictError, UnsupportedError } from '../../errors.ts'
import type { AuditEntry, Entry, Expectation, Put, Registry } from '../../registry/registry.ts'
import { now } from '../parts.ts'

/** Records of one commit: Consul takes 64 changes, some of them its own. */
const AT_ONCE = 20

/** A tenant that is isolated until a commit is made: as it is then to be on record. */
export interface Exposure {
  readonly put: Extract<Put, { kind: 'tenant' }>
  readonly expectation: Expectation
}

/** What a commit must hold beside its own, so that nobody is isolated any more who is not after it. */
interface Exposed {
  readonly puts: readonly Put[]
  readonly expectations: readonly Expectation[]
}

/** @param reason for the tenant's findings. */
export function exposureOf({ id, revision, record }: Entry<'tenant'>, reason: string): Exposure {
  const at = now()
  const isolation = { isolated: false, findings: [reason], checkedAt: at }
  return {
    put: { kind: 'tenant', id, record: { ...record, isolation, updatedAt: at } },
    expectation: { kind: 'tenant', id, revision },
  }
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
  commit: (exposed: Exposed) => Promise<T>,
  told: (exposure: Exposure) => void = () => undefined,
): Promise<T> {
  try {
    return await commit(changesOf(exposures))
  } catch (error) {
    if (!(error instanceof UnsupportedError) || exposures.length === 0) throw error
  }
  for (let at = 0; at < exposures.length; at += AT_ONCE) {
    const some = exposures.slice(at, at + AT_ONCE)
    const tenants = some.map(({ put }) => put.id).join(' ')
    const { puts, expectations } = changesOf(some)
    await registry.commit(
      { puts, audit: { ...audit, action: 'tenant.expose', detail: { tenants } } },
      expectations,
    )
    for (const exposure of some) told(exposure)
  }
  throw new RevisionConflictError('tenants lost their isolation before what exposes them is on record')
}

function changesOf(exposures: readonly Exposure[]): Exposed {
  return {
    puts: exposures.map(({ put }) => put),
    expectations: exposures.map(({ expectation }) => expectation),
  }
}
