import type { CloseReason, EventHub } from '../events.ts'
import type { PoolMap } from '../pool/pool-map.ts'
import type { Bound, Room } from '../pool/room.ts'
import type { ServerScope } from '../pool/shared-scope.ts'
import type { Slot } from '../pool/slot.ts'
import type { TenantPool } from '../pool/tenant-pool.ts'

/** A batch lease, and a tenant that has a connection, end no hot pool, nor the surplus of one that used it within this. */
export const SURPLUS_SPARED_MS = 1_000

const isIdle = (pool: TenantPool) => pool.idleSlots.length === pool.census.live
/** Every connection of the pool is idle, and nobody waits for another. */
const isUnused = (pool: TenantPool) => isIdle(pool) && pool.waiters.length === 0

/**
 * Makes room where a bound is full: surplus connections first, then those of the tenant used least, by recency
 * and frequency. A leased connection is never closed: only idle ones are ranked.
 */
export class Reclaimer {
  readonly #room: Room
  readonly #pools: PoolMap
  readonly #events: EventHub
  readonly #close: (slot: Slot, reason: CloseReason) => void
  /** Closings under way that nobody counts on yet in this round, by what they make room in. */
  readonly #unclaimed = new Map<object | 'pools', number>()

  constructor(
    room: Room,
    pools: PoolMap,
    events: EventHub,
    close: (slot: Slot, reason: CloseReason) => void,
  ) {
    this.#room = room
    this.#pools = pools
    this.#events = events
    this.#close = close
  }

  /** A round is one look at all who wait: each may count on a closing of its own. */
  beginRound(): void {
    this.#unclaimed.clear()
  }

  /**
   * Counts on a closing that is under way, or closes one idle connection (or whole pool) in the full bound.
   * @param isSparing for one who may not take what others use.
   * @returns whether room will be there.
   */
  makeRoom(bound: Bound, pool: TenantPool, isSparing: boolean): boolean {
    const key = bound === 'tenant' ? pool : bound === 'pools' ? bound : this.#room.scope(bound, pool)
    const unclaimed = this.#unclaimed.get(key) ?? this.#room.leaving(bound, pool)
    this.#unclaimed.set(key, Math.max(0, unclaimed - 1))
    if (unclaimed > 0) return true
    if (bound === 'pools') return this.#endPool(isSparing)
    const victim = bound === 'tenant' ? this.#own(pool, isSparing) : this.#victim(bound, pool, isSparing)
    if (!victim) return false
    this.#reclaim(victim, bound)
    return true
  }

  #reclaim(victim: Slot, scope: string): void {
    this.#events.emit('reclaimed', { tenant: victim.pool.id, server: victim.pool.server.id, scope })
    this.#close(victim, 'reclaim')
  }

  /** Of the tenant itself, one that serves the other trust class: what fits is taken, not reclaimed. */
  #own(pool: TenantPool, isSparing: boolean): Slot | undefined {
    const { coldest } = pool
    return coldest && isSparing && !isColdFor(coldest, SURPLUS_SPARED_MS) ? undefined : coldest
  }

  #victim(bound: 'process' | 'server', pool: TenantPool, isSparing: boolean): Slot | undefined {
    const servers = bound === 'server' ? [pool.scopes.server] : [...this.#pools.servers]
    return isSparing ? this.#ofServersUnused(servers) : this.#ofServers(servers)
  }

  #ofServers(servers: readonly ServerScope[]): Slot | undefined {
    const surplus = longestIdle(servers)
    return (
      surplus ??
      lowest(
        servers.map(({ idle }) => idle.least()),
        (pool) => pool.priority,
      )?.coldest
    )
  }

  #ofServersUnused(servers: readonly ServerScope[]): Slot | undefined {
    const surplus = longestIdle(servers)
    if (surplus && isColdFor(surplus, SURPLUS_SPARED_MS)) return surplus
    const unwanted = lowest(
      servers.map(({ idle }) => idle.unwanted()),
      (pool) => pool.wantedAt,
    )
    return unwanted?.isHot ? undefined : unwanted?.coldest
  }

  #endPool(isSparing: boolean): boolean {
    const servers = [...this.#pools.servers]
    const victim = isSparing
      ? lowest(
          servers.map(({ idle }) => idle.unwanted(isUnused)),
          (pool) => pool.wantedAt,
        )
      : lowest(
          servers.map(({ idle }) => idle.least(isUnused)),
          (pool) => pool.priority,
        )
    if (!victim || (isSparing && victim.isHot)) return false
    this.end(victim)
    return true
  }

  /** Makes its place free where all it has is idle. */
  end(pool: TenantPool): void {
    if (!isIdle(pool)) return
    for (const slot of pool.idleSlots.slice()) this.#close(slot, 'pool_limit')
  }
}

function isColdFor(slot: Slot, ms: number): boolean {
  return performance.now() - slot.idleSince >= ms
}

function longestIdle(servers: readonly ServerScope[]): Slot | undefined {
  return lowest(
    servers.map(({ idle }) => idle.surplus),
    (slot) => slot.idleSince,
  )
}

function lowest<T>(candidates: readonly (T | undefined)[], keyOf: (candidate: T) => number): T | undefined {
  let found: T | undefined
  for (const candidate of candidates) {
    if (candidate !== undefined && (found === undefined || keyOf(candidate) < keyOf(found))) found = candidate
  }
  return found
}
