import { UnauthorizedError } from '../errors.ts'
import type { KeyScope } from '../registry/key-record.ts'
import type { Entry } from '../registry/registry.ts'
import type { TenantId } from '../tenant/tenant-id.ts'
import type { TenantRecord } from '../tenant/tenant-record.ts'

/** The part of the directory that is read here. */
export interface TenantSource {
  tenant(id: TenantId, signal?: AbortSignal): Promise<Entry<'tenant'> | undefined>
}

export type ScopeOf<K extends KeyScope['kind']> = Extract<KeyScope, { kind: K }>

/**
 * The tenant that a tenant's own key is of: a key outlives neither its tenant nor an earlier tenant of the same name.
 * @throws {UnauthorizedError | RegistryUnavailableError}
 */
export async function tenantOfKey(
  source: TenantSource,
  { tenant: id, generation }: ScopeOf<'tenant'>,
  signal?: AbortSignal,
): Promise<TenantRecord> {
  const tenant = (await source.tenant(id, signal))?.record
  if (!tenant || tenant.generation !== generation)
    throw new UnauthorizedError(`the tenant ${id} of generation ${generation} is gone`)
  return tenant
}

/** Whether a service key is for the tenant: it has all of the key's labels. */
export function isForTenant({ labels }: ScopeOf<'service'>, tenant: TenantRecord): boolean {
  return Object.entries(labels ?? {}).every(([name, value]) => tenant.labels[name] === value)
}
