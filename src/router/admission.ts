import type { Trust } from '../connection/connection.ts'
import {
  RoleNotIsolatedError,
  TenantDeletedError,
  TenantMovingError,
  type TenantryError,
  TenantSuspendedError,
  TenantUnavailableError,
} from '../errors.ts'
import type { TenantRecord } from '../tenant/tenant-record.ts'

/** Why the tenant gets no lease in its present status; undefined when it may have one. */
export function statusError(record: TenantRecord): TenantryError | undefined {
  const { id, status } = record
  switch (status) {
    case 'active':
      return undefined
    case 'suspended':
      return new TenantSuspendedError(`tenant ${id} is suspended`)
    case 'moving':
      return new TenantMovingError(`tenant ${id} is moving`)
    case 'deleting':
    case 'deleted':
      return new TenantDeletedError(`tenant ${id} is ${status}`)
    case 'provisioning':
    case 'failed':
      return new TenantUnavailableError(`tenant ${id} is ${status}`)
  }
}

/** Foreign SQL runs only as a role that can reach nothing of other tenants (checked when it is registered). */
export function trustError(record: TenantRecord, trust: Trust): TenantryError | undefined {
  if (trust === 'application' || record.isolation?.isolated) return undefined
  const why = record.isolation?.findings.join('; ') ?? 'it was never checked'
  return new RoleNotIsolatedError(`the role of tenant ${record.id} is not isolated: ${why}`)
}
