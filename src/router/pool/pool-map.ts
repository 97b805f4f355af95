import { LRUCache } from 'lru-cache'
import type { ServerRecord } from '../../registry/server-record.ts'
import type { TenantId } from '../../tenant/tenant-id.ts'
import type { TenantRecord } from '../../tenant/tenant-record.ts'
import { ServerScope, SharedScope } from './shared-scope.ts'
import { TenantMemory } from './tenant-memory.ts'
import { TenantPool } from './tenant-pool.ts'

/**
 * The pools that exist, and which of a tenant's takes new leases.
 * Invariants: a pool exists while it has a connection in any state, or a waiter; a server's scope exists while
 * a pool of it does.
 */
export class PoolMap {
  readonly process = new SharedScope()
  readonly #all = new Set<TenantPool>()
  readonly #current = new Map<TenantId, TenantPool>()
  readonly #servers = new Map<string, ServerScope>()
  /** Of pools that ended, so that a tenant often used does not come back as a stranger. */
  readonly #memories: LRUCache<TenantId, TenantMemory>
  readonly #onLast: () => void

  /** @param onLast called when the last pool has gone. */
  constructor(remembered: number, onLast: () => void) {
    this.#memories = new LRUCache({ max: remembered })
    this.#onLast = onLast
  }

  get all(): ReadonlySet<TenantPool> {
    return this.#all
  }

  get servers(): Iterable<ServerScope> {
    return this.#servers.values()
  }

  current(id: TenantId): TenantPool | undefined {
    return this.#current.get(id)
  }

  /** Makes the tenant's next pool; the one before, if any, takes no new leases from here on. */
  add(record: TenantRecord, revision: number, server: ServerRecord): TenantPool {
    const before = this.#current.get(record.id)
    const memory = before?.memory ?? this.#memories.get(record.id) ?? new TenantMemory()
    if (before) memory.forgive()
    const scopes = { server: this.#scopeOf(server.id), process: this.process }
    const pool = new TenantPool(record, revision, server, scopes, memory)
    this.#all.add(pool)
    this.#current.set(record.id, pool)
    pool.weigh(pool.weight)
    this.#count(pool.scopes.server, 1)
    return pool
  }

  /** No new leases for this pool. */
  retire(pool: TenantPool): void {
    if (this.#current.get(pool.id) === pool) this.#current.delete(pool.id)
  }

  forgetIfEmpty(pool: TenantPool): void {
    if (pool.slots.size > 0 || pool.waiters.length > 0 || !this.#all.delete(pool)) return
    this.retire(pool)
    pool.scopes.server.idle.forget(pool)
    pool.weigh(0)
    this.#count(pool.scopes.server, -1)
    pool.memory.relent(performance.now())
    this.#memories.set(pool.id, pool.memory)
    if (this.#all.size === 0) this.#onLast()
  }

  #scopeOf(server: string): ServerScope {
    const scope = this.#servers.get(server) ?? new ServerScope(server)
    this.#servers.set(server, scope)
    return scope
  }

  #count(server: ServerScope, by: 1 | -1): void {
    server.pools += by
    if (server.pools === 0) this.#servers.delete(server.id)
  }
}
