import { AsyncLocalStorage } from 'node:async_hooks'
import { NoTenantError, TenantMismatchError } from '../errors.ts'
import type { TenantId } from './tenant-id.ts'

/** `run` only: `enterWith` would leak the tenant into whatever else shares the async context. */
const storage = new AsyncLocalStorage<TenantId>()

export function runAsTenant<T>(tenant: TenantId, work: () => T): T {
  return storage.run(tenant, work)
}

export function currentTenant(): TenantId | undefined {
  return storage.getStore()
}

/** @throws {NoTenantError} outside of `runAsTenant`. */
export function requireTenant(): TenantId {
  const tenant = storage.getStore()
  if (tenant === undefined) throw new NoTenantError()
  return tenant
}

/** @throws {TenantMismatchError} when the ambient tenant is another one than `tenant`. */
export function refuseOtherTenant(tenant: TenantId): void {
  const ambient = storage.getStore()
  if (ambient !== undefined && ambient !== tenant) throw new TenantMismatchError(tenant, ambient)
}
