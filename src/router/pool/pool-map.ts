import { LRUCache } from 'lru-cache'
import type { ServerRecord } from '../../registry/server-record.ts'
import type { TenantId } from '../../tenant/tenant-id.ts'
import type { TenantRecord } from '../../tenant/tenant-record.ts'
import { TenantPool } from './tenant-pool.ts'

/**
 * The pools that exist, and which of a tenant's takes new leases.
 * A pool exists while it has a connection in any state, or a waiter.
 */
export class PoolMap {
  readonly #all = new Set<TenantPool>()
  readonly #current = new Map<TenantId, TenantPool>()
  /** Priorities of pools that ended, so that a tenant often used does not come back as a stranger. */
  readonly #priorities: LRUCache<TenantId, number>
  readonly #onLast: () => void

  /** @param onLast called when the last pool has gone. */
  constructor(remembered: number, onLast: () => void) {
    this.#priorities = new LRUCache({ max: remembered })
    this.#onLast = onLast
  }

  get all(): ReadonlySet<TenantPool> {
    return this.#all
  }

  current(id: TenantId): TenantPool | undefined {
    return this.#current.get(id)
  }

  /** Makes the tenant's next pool; the one before, if any, takes no new leases from here on. */
  add(record: TenantRecord, revision: number, server: ServerRecord): TenantPool {
    const pool = new TenantPool(record, revision, server, this.#priorities.get(record.id) ?? 0)
    this.#all.add(pool)
    this.#current.set(record.id, pool)
    return pool
  }

  /** No new leases for this pool. */
  retire(pool: TenantPool): void {
    if (this.#current.get(pool.id) === pool) this.#current.delete(pool.id)
  }

  forgetIfEmpty(pool: TenantPool): void {
    if (pool.slots.size > 0 || pool.waiters.length > 0 || !this.#all.delete(pool)) return
    this.retire(pool)
    this.#priorities.set(pool.id, pool.priority)
    if (this.#all.size === 0) this.#onLast()
  }
}
