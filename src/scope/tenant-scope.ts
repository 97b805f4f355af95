import { TenantUnknownError } from '../errors.ts'
import { statusError } from '../router/admission.ts'
import type { AppRouter } from '../router/app-router.ts'
import { generationError, tenantHere } from '../tenant/tenant-context.ts'
import { parseTenantId, type TenantId } from '../tenant/tenant-id.ts'

/** What a router knows of tenants. */
export type KnowsTenants = Pick<AppRouter, 'directory' | 'registry'>

/** Which tenant, beyond its name: an id that is used again has another generation. */
export interface TenantScope {
  readonly id: TenantId
  readonly generation: number
  /** Rises when the tenant's route changes. */
  readonly epoch: number
}

/**
 * The tenant as it is now, as `scopedKey()` takes it.
 * @param id default: the ambient tenant.
 * @throws {NoTenantError | TenantMismatchError | TenantUnknownError | RegistryUnavailableError}, and where the tenant
 * is not served {TenantSuspendedError | TenantMovingError | TenantDeletedError | TenantUnavailableError}.
 */
export async function tenantScope(router: KnowsTenants, id?: string): Promise<TenantScope> {
  const tenant = ownTenant(id)
  const entry = await router.directory.tenant(tenant)
  if (entry === undefined) throw new TenantUnknownError(`tenant ${tenant} is not in the registry`)
  const refusal = statusError(entry.record) ?? generationError(entry.record)
  if (refusal) throw refusal
  const { generation, epoch } = entry.record
  return { id: tenant, generation, epoch }
}

/** @throws {NoTenantError | TenantMismatchError | InvalidTenantIdError} */
export function ownTenant(id?: string): TenantId {
  return tenantHere(id === undefined ? undefined : parseTenantId(id))
}
