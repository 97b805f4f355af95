import { currentTenant } from '../tenant/tenant-context.ts'
import type { TenantId } from '../tenant/tenant-id.ts'

/**
 * What a line of the log is to say of its tenant: as pino's `mixin`. Empty outside of a tenant's context. Each call
 * gives an object of its own, which the logger may change.
 */
export function tenantLogFields(): { tenant?: TenantId } {
  const tenant = currentTenant()
  return tenant === undefined ? {} : { tenant }
}
