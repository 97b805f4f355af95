import { FoundLimits } from '../breaker/found-limits.ts'
import type { ResolvedRouterOptions } from '../options.ts'
import type { Budget, Permit, Scope } from './budget.ts'
import type { Slot } from './slot.ts'
import type { TenantPool } from './tenant-pool.ts'

/** What can be full: a budget, or the number of pools. */
export type Bound = Scope | 'pools'

/** The limits as they stand for one pool, and which pools share each of them. */
export class Room {
  readonly #options: ResolvedRouterOptions
  readonly #budget: Budget
  readonly #pools: ReadonlySet<TenantPool>
  readonly #found = new FoundLimits()

  constructor(options: ResolvedRouterOptions, budget: Budget, pools: ReadonlySet<TenantPool>) {
    this.#options = options
    this.#budget = budget
    this.#pools = pools
  }

  tenantLimit(pool: TenantPool): number {
    const { maxConnectionsPerTenant } = this.#options
    return Math.min(maxConnectionsPerTenant, pool.record.limits.maxConnections ?? maxConnectionsPerTenant)
  }

  serverLimit(pool: TenantPool): number {
    return Math.min(pool.server.budget.maxConnections, this.#found.of(pool.server.id))
  }

  /** The pool's server has refused a connection for lack of room. */
  noteServerFull(pool: TenantPool): void {
    let served = 0
    for (const { state } of this.slotsIn('server', pool)) if (state !== 'opening') served++
    this.#found.note(pool.server.id, served)
  }

  /** What keeps the pool from opening a connection now. */
  fullBound(pool: TenantPool): Bound | undefined {
    if (pool.slots.size === 0 && this.openPools() >= this.#options.maxPools) return 'pools'
    return this.#budget.fullScope(pool.server.id, this.serverLimit(pool), pool.id, this.tenantLimit(pool))
  }

  take(pool: TenantPool): Permit | Scope {
    return this.#budget.take(pool.server.id, this.serverLimit(pool), pool.id, this.tenantLimit(pool))
  }

  /** Permits out of the fullest scope that the tenant shares with others, as a part of its limit. */
  fill(pool: TenantPool): number {
    const server = this.#budget.out('server', pool.server.id) / this.serverLimit(pool)
    return Math.max(server, this.#budget.out('process') / this.#budget.processLimit)
  }

  limit(bound: Bound, pool: TenantPool): number {
    if (bound === 'process') return this.#budget.processLimit
    if (bound === 'server') return this.serverLimit(pool)
    return bound === 'tenant' ? this.tenantLimit(pool) : this.#options.maxPools
  }

  /** Whether closing a connection of `other` makes room for `pool` in the bound. */
  shares(bound: Bound, pool: TenantPool, other: TenantPool): boolean {
    if (bound === 'tenant') return other.id === pool.id
    return bound !== 'server' || other.server.id === pool.server.id
  }

  *slotsIn(bound: Bound, pool: TenantPool): Iterable<Slot> {
    for (const other of this.#pools) if (this.shares(bound, pool, other)) yield* other.slots
  }

  /** Pools with a connection open, opening or closing. */
  openPools(): number {
    let n = 0
    for (const pool of this.#pools) if (pool.slots.size > 0) n++
    return n
  }

  /** Connections (or, for `pools`, whole pools) that are on their way out and will make room. */
  leaving(bound: Bound, pool: TenantPool): number {
    let n = 0
    for (const other of this.#pools) {
      if (!this.shares(bound, pool, other)) continue
      const closing = other.count('closing', 'quarantined')
      if (bound === 'pools') n += closing > 0 && closing === other.slots.size ? 1 : 0
      else n += closing
    }
    return n
  }
}
