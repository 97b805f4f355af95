import { PreconditionFailedError, RevisionConflictError, TenantUnknownError } from '../../errors.ts'
import type { AuditEntry, Entry, Registry } from '../../registry/registry.ts'
import { parseTenantId } from '../../tenant/tenant-id.ts'
import type { TenantRecord } from '../../tenant/tenant-record.ts'
import { mayBecome } from '../../tenant/tenant-status.ts'
import { now } from '../parts.ts'

const ATTEMPTS = 5

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
export async function changeTenant(
  registry: Registry,
  id: string,
  audit: AuditEntry,
  change: (record: TenantRecord) => Partial<TenantRecord>,
): Promise<Entry<'tenant'>> {
  for (let attempt = 1; ; attempt += 1) {
    const { record: before, revision } = await findTenant(registry, id)
    const record = { ...before, ...change(before), updatedAt: now() }
    if (!mayBecome(before.status, record.status)) {
      throw new PreconditionFailedError(
        `Tenant ${id} is ${before.status}: it cannot become ${record.status}.`,
      )
    }
    try {
      const [after = 0] = await registry.commit({ puts: [{ kind: 'tenant', id, record }], audit }, [
        { kind: 'tenant', id, revision },
      ])
      return { kind: 'tenant', id, revision: after, record }
    } catch (error) {
      if (!(error instanceof RevisionConflictError) || attempt === ATTEMPTS) throw error
    }
  }
}
