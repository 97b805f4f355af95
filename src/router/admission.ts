import type { Trust } from '../connection/connection.ts'
import {
  RoleNotIsolatedError,
  TenantDeletedError,
  TenantMovingError,
  type TenantryError,
  TenantSuspendedError,
  TenantUnavailableError,
  UnsupportedError,
} from '../errors.ts'
import type { ServerRecord } from '../registry/server-record.ts'
import type { TenantRecord } from '../tenant/tenant-record.ts'
import type { LeaseTerms } from './lease-options.ts'

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

/** Why the tenant gets no lease on these terms, as its record and its server are now. */
export function termsError(
  record: TenantRecord,
  { via }: Pick<ServerRecord, 'via'>,
  { trust, keepsSession }: Pick<LeaseTerms, 'trust' | 'keepsSession'>,
): TenantryError | undefined {
  if (via === 'direct') return trustError(record, trust)
  // What it leaves in a backend that we cannot clean, the application's next statement there would meet.
  if (trust === 'foreign')
    return new UnsupportedError('SQL of a tenant key through a pooler', 'use a service key')
  if (via === 'session-pooler' || !keepsSession) return undefined
  return new UnsupportedError(
    'a session of its own through a transaction pooler',
    'use transaction(), withTenant() or sql(id), which keep nothing from one transaction to the next',
  )
}

/** Foreign SQL runs only as a role that can reach nothing of other tenants (checked when it is registered). */
function trustError(record: TenantRecord, trust: Trust): TenantryError | undefined {
  if (trust === 'application' || record.isolation?.isolated) return undefined
  const why = record.isolation?.findings.join('; ') ?? 'it was never checked'
  return new RoleNotIsolatedError(`the role of tenant ${record.id} is not isolated: ${why}`)
}
