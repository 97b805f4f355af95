import { PreconditionFailedError, RevisionConflictError, TenantUnknownError } from '../../errors.ts'
import type { AuditEntry, Commit, Entry, Expectation, Put, Registry } from '../../registry/registry.ts'
import { parseTenantId } from '../../tenant/tenant-id.ts'
import type { TenantRecord } from '../../tenant/tenant-record.ts'
import { mayBecome } from '../../tenant/tenant-status.ts'
import { now } from '../parts.ts'

const ATTEMPTS = 5

/** What is to be done with a tenant, and committed together with that. */
export interface TenantChange {
  readonly change: Partial<TenantRecord>
  readonly audit: AuditEntry
  readonly puts?: readonly Put[]
  readonly removes?: Commit['removes']
  /** Of the puts and removes; that of the tenant is added. */
  readonly expectations?: readonly Expectation[]
}

/** @throws {InvalidTenantIdError | TenantUnknownError} */
export async function findTenant(registry: Registry, id: string): Promise<Entry<'tenant'>> {
  const entry = await registry.find('tenant', parseTenantId(id))
  if (entry === undefined) throw new TenantUnknownError(`tenant ${id} is not in the registry`)
  return entry
}

/**
 * Changes a tenant by compare-and-set, deciding anew when somebody else was faster.
 * @throws {PreconditionFailedError} where its status does not permit the new one.
 */
export function changeTenant(
  registry: Registry,
  id: string,
  audit: AuditEntry,
  change: (record: TenantRecord) => Partial<TenantRecord>,
): Promise<Entry<'tenant'>> {
  return decideTenant(registry, id, ({ record }) => ({ change: change(record), audit }))
}

/**
 * As `changeTenant`, for what needs more than the tenant's own record.
 * @param decide null: it is to stay as it is, and nothing is committed.
 */
export async function decideTenant(
  registry: Registry,
  id: string,
  decide: (present: Entry<'tenant'>) => TenantChange | null | Promise<TenantChange | null>,
): Promise<Entry<'tenant'>> {
  for (let attempt = 1; ; attempt += 1) {
    const present = await findTenant(registry, id)
    const decided = await decide(present)
    if (decided === null) return present
    const { record: before, revision } = present
    const record = { ...before, ...decided.change, updatedAt: now() }
    if (!mayBecome(before.status, record.status)) {
      throw new PreconditionFailedError(
        `Tenant ${id} is ${before.status}: it cannot become ${record.status}.`,
      )
    }
    try {
      const [after = 0] = await registry.commit(
        {
          puts: [{ kind: 'tenant', id, record }, ...(decided.puts ?? [])],
          removes: decided.removes ?? [],
          audit: decided.audit,
        },
        [{ kind: 'tenant', id, revision }, ...(decided.expectations ?? [])],
      )
      return { kind: 'tenant', id, revision: after, record }
    } catch (error) {
      if (!(error instanceof RevisionConflictError) || attempt === ATTEMPTS) throw error
    }
  }
}
