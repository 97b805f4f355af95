import { AsyncLocalStorage } from 'node:async_hooks'
import { NoTenantError, TenantDeletedError, TenantMismatchError } from '../errors.ts'
import type { TenantId } from './tenant-id.ts'
import type { TenantRecord } from './tenant-record.ts'

type Generation = Pick<TenantRecord, 'id' | 'generation'>

/** `run` only: `enterWith` would leak the tenant into whatever else shares the async context. */
const storage = new AsyncLocalStorage<TenantId>()
/** Which tenant of that name, where the work began with its record. */
const generations = new AsyncLocalStorage<Generation>()

/**
 * Runs `work` with `tenant` as the ambient one, and gives what it gives. A query that sends itself when it is awaited, as
 * those of postgres.js and Drizzle do, is awaited here: where the result is awaited, another tenant may be ambient.
 */
export function runAsTenant<T>(tenant: TenantId, work: () => PromiseLike<T>): Promise<T>
export function runAsTenant<T>(tenant: TenantId, work: () => T): T
export function runAsTenant(tenant: TenantId, work: () => unknown): unknown {
  return storage.run(tenant, () => {
    const result = work()
    return isLazy(result) ? (async () => await result)() : result
  })
}

/** As `runAsTenant`, of this very tenant: one that is made anew under its id meanwhile is another, and refused in here. */
export function runAsGeneration<T>({ id, generation }: Generation, work: () => Promise<T>): Promise<T> {
  return generations.run({ id, generation }, () => runAsTenant(id, work))
}

/** Why the record is not for the work at hand: that began for an earlier tenant of its id. Else undefined. */
export function generationError({ id, generation }: Generation): TenantDeletedError | undefined {
  const own = generations.getStore()
  if (own === undefined || own.id !== id || own.generation >= generation) return undefined
  return new TenantDeletedError(
    `the tenant ${id} of generation ${own.generation} is gone, ${generation} is another`,
  )
}

/** The ambient tenant; undefined outside of `runAsTenant` and what is built on it. */
export function currentTenant(): TenantId | undefined {
  return storage.getStore()
}

/**
 * Whose a handle is here: its own tenant's, or the ambient one's where it has none.
 * @throws {NoTenantError} where there is neither; {TenantMismatchError} where another than its own is ambient.
 */
export function tenantHere(own: TenantId | undefined): TenantId {
  if (own !== undefined) refuseOtherTenant(own)
  const tenant = own ?? storage.getStore()
  if (tenant === undefined) throw new NoTenantError()
  return tenant
}

/**
 * @param asker the tenant that was ambient where the handle was asked for: that one may use it, too.
 * @throws {TenantMismatchError} when the ambient tenant is another one than `tenant`.
 */
export function refuseOtherTenant(tenant: TenantId, asker?: TenantId): void {
  const ambient = storage.getStore()
  if (ambient !== undefined && ambient !== tenant && ambient !== asker)
    throw new TenantMismatchError(tenant, ambient)
}

/** Whatever can be awaited and is not a promise of the language's own, which has begun what it stands for. */
function isLazy(result: unknown): result is PromiseLike<unknown> {
  if (typeof result !== 'object' || result === null || !('then' in result)) return false
  return typeof result.then === 'function' && Object.getPrototypeOf(result) !== Promise.prototype
}
