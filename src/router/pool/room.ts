import { FoundLimits } from '../breaker/found-limits.ts'
import type { ResolvedRouterOptions } from '../options.ts'
import type { Budget, Permit, Scope } from './budget.ts'
import type { PoolMap } from './pool-map.ts'
import type { SharedScope } from './shared-scope.ts'
import type { Slot } from './slot.ts'
import type { TenantPool } from './tenant-pool.ts'

/** What can be full: a budget, or the number of pools. */
export type Bound = Scope | 'pools'
/** One of those that other tenants share. */
export type SharedBound = Exclude<Bound, 'tenant'>

/** The limits as they stand for one pool, and which pools share each of them. */
export class Room {
  readonly #options: ResolvedRouterOptions
  readonly #budget: Budget
  readonly #pools: PoolMap
  readonly #found = new FoundLimits()

  constructor(options: ResolvedRouterOptions, budget: Budget, pools: PoolMap) {
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
  noteServerFull({ scopes, server }: TenantPool): void {
    this.#found.note(server.id, scopes.server.census.out - scopes.server.census.of('opening'))
  }

  /** Milliseconds until the bound is wider by itself; without end where that needs a connection to go. */
  widensInMs(bound: Bound, pool: TenantPool): number {
    return bound === 'server' ? this.#found.liftsInMs(pool.server.id) : Number.POSITIVE_INFINITY
  }

  /** What keeps the pool from opening a connection now. */
  fullBound(pool: TenantPool): Bound | undefined {
    // One whose connections are all on their way out has its place no more: it may be another's already.
    const hasPlace = pool.census.live > 0
    if (!hasPlace && this.#pools.process.openPools >= this.#options.maxPools) return 'pools'
    return this.#budget.fullScope(pool.server.id, this.serverLimit(pool), pool.id, this.tenantLimit(pool))
  }

  take(pool: TenantPool): Permit | Scope {
    return this.#budget.take(pool.server.id, this.serverLimit(pool), pool.id, this.tenantLimit(pool))
  }

  /** Permits out of the fullest scope that the tenant shares with others, as a part of its limit. */
  fill(pool: TenantPool): number {
    const server = this.#budget.out('server', pool.server.id) / this.limit('server', pool)
    return Math.max(server, this.#budget.out('process') / this.#budget.processLimit)
  }

  limit(bound: Bound, pool: TenantPool): number {
    if (bound === 'process') return this.#budget.processLimit
    if (bound === 'server') return Math.min(this.serverLimit(pool), this.#budget.processLimit)
    return bound === 'tenant' ? this.tenantLimit(pool) : this.#options.maxPools
  }

  /** Who shares the bound with the pool: those of its server, or all. */
  scope(bound: SharedBound, pool: TenantPool): SharedScope {
    return bound === 'server' ? pool.scopes.server : pool.scopes.process
  }

  /** The tenant's part of the bound by weight, among all that have a pool in it. */
  share(bound: SharedBound, pool: TenantPool): number {
    return (this.limit(bound, pool) * pool.weight) / Math.max(pool.weight, this.scope(bound, pool).weight)
  }

  /** Connections (or, for `pools`, whole pools) that are on their way out and will make room soon. */
  leaving(bound: Bound, pool: TenantPool): number {
    if (bound === 'pools') return this.#pools.process.leavingPools
    return (bound === 'tenant' ? pool : this.scope(bound, pool)).census.of('closing')
  }

  /** All connections that count under the bound. Looks at every pool: for a caller that holds leases, and would wait. */
  *slotsIn(bound: Bound, pool: TenantPool): Iterable<Slot> {
    for (const other of this.#pools.all) {
      const isIn =
        bound === 'tenant'
          ? other.id === pool.id
          : bound !== 'server' || other.scopes.server === pool.scopes.server
      if (!isIn) continue
      const isKept = bound === 'server' || bound === 'tenant'
      for (const slot of other.slots) if (isKept || slot.state !== 'quarantined') yield slot
    }
  }
}
