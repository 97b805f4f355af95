import { TenantUnknownError } from '../errors.ts'
import type { Caller } from '../resolve/caller.ts'
import type { Lease } from '../router/lease.ts'
import type { TenantRouter } from '../router/tenant-router.ts'

/** The part of the router that requests need. */
export type Leasing = Pick<TenantRouter, 'lease'>

/**
 * A lease on the caller's tenant, with the trust of the caller's key. The caller of this releases it.
 * @throws {TenantUnknownError} and what `TenantRouter.lease` throws: that foreign SQL needs an isolated role is its rule.
 */
export async function leaseFor(router: Leasing, caller: Caller, signal: AbortSignal): Promise<Lease> {
  const { tenant, trust } = caller
  const lease = await router.lease(tenant.id, { trust, signal, keepsSession: false })
  if (lease.tenant.generation === tenant.generation) return lease
  // Deleted and made anew since the caller was proved: that proof was for another.
  lease.release()
  throw new TenantUnknownError(`tenant ${tenant.id} is of generation ${lease.tenant.generation} now`)
}
