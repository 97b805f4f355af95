import { parseTenantId } from '../../tenant/tenant-id.ts'
import { auditEntry, type LifecycleParts } from '../parts.ts'
import { findTenant } from '../tenant/change-tenant.ts'
import { type OwnMeans, unlessAway } from './own-means.ts'

export interface TenantEvicted {
  readonly tenant: string
  /** Those that were idle. */
  readonly connections: number
}

/**
 * Closes what the tenant has idle in this process, and what is leased when it comes back. The audit says so, where the
 * registry cannot be asked when it is back.
 * @throws {TenantUnknownError} {RegistryUnavailableError} where too much waits for the registry already.
 */
export async function evictAnyhow(
  { registry }: LifecycleParts,
  means: OwnMeans,
  id: string,
  actor: string,
): Promise<TenantEvicted> {
  const tenant = parseTenantId(id)
  const audit = auditEntry(actor, 'tenant.evict', tenant)
  await unlessAway(
    async () => {
      await findTenant(registry, tenant)
      await registry.commit({ audit }, [])
    },
    // Each of them is an entry of its own.
    () => means.postponed.postpone(`evict ${id} ${audit.at}`, () => registry.commit({ audit }, [])),
  )
  return { tenant, connections: means.evict(tenant) }
}
