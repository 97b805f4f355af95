import type { CloseReason, EventHub } from '../events.ts'
import type { Bound, Room } from '../pool/room.ts'
import type { Slot } from '../pool/slot.ts'
import type { TenantPool } from '../pool/tenant-pool.ts'
import type { Lending } from './lending.ts'
import { chooseVictim, chooseVictimPool } from './victim.ts'
import type { Waiter } from './waiter.ts'

/** A batch lease never ends a pool that was used within this. */
const HOT_MS = 10_000
/** A tenant that has a connection grows only at the cost of pools unused for this long. */
export const GROWTH_SPARES_MS = 1_000
/** A tenant over its share keeps its connection from an older waiter of another tenant for this long at most. */
const PATIENCE_MS = 25

/** Makes room where a bound is full, and says when a busy tenant must make it. */
export class Reclaimer {
  readonly #room: Room
  readonly #lending: Lending
  readonly #pools: ReadonlySet<TenantPool>
  readonly #events: EventHub
  readonly #close: (slot: Slot, reason: CloseReason) => void
  /** Closings under way that nobody counts on yet in this round, by bound and what it bounds. */
  readonly #unclaimed = new Map<string, number>()

  constructor(
    room: Room,
    lending: Lending,
    pools: ReadonlySet<TenantPool>,
    events: EventHub,
    close: (slot: Slot, reason: CloseReason) => void,
  ) {
    this.#room = room
    this.#lending = lending
    this.#pools = pools
    this.#events = events
    this.#close = close
  }

  /** A round is one look at all who wait: each may count on a closing of its own. */
  beginRound(): void {
    this.#unclaimed.clear()
  }

  /** Closes one idle connection (or whole pool) in the full bound, unless one that is closing already will do. */
  makeRoom(bound: Bound, pool: TenantPool, waiter: Waiter, isGrowth: boolean): void {
    const key = `${bound}:${bound === 'server' ? pool.server.id : bound === 'tenant' ? pool.id : ''}`
    const unclaimed = this.#unclaimed.get(key) ?? this.#room.leaving(bound, pool)
    this.#unclaimed.set(key, Math.max(0, unclaimed - 1))
    if (unclaimed > 0) return
    const spares = waiter.request.class === 'batch' ? HOT_MS : isGrowth ? GROWTH_SPARES_MS : 0
    const usedBefore = performance.now() - spares
    if (bound === 'pools') {
      const victim = chooseVictimPool(this.#pools, usedBefore)
      if (victim) for (const slot of victim.idleSlots.slice()) this.#close(slot, 'pool_limit')
      return
    }
    const victim = chooseVictim(this.#pools, {
      inScope: (other) => this.#room.shares(bound, pool, other),
      usedBefore,
    })
    if (!victim) return
    this.#events.emit('reclaimed', { tenant: victim.pool.id, server: victim.pool.server.id, scope: bound })
    this.#close(victim, 'reclaim')
  }

  /**
   * Whether other tenants without a connection wait longer than `own`, for room that only this pool's
   * surplus over its share can give.
   */
  mustYield(pool: TenantPool, own: Waiter, waiting: Iterable<TenantPool>): boolean {
    if (own.isNested) return false
    const now = performance.now()
    let rivals = 0
    let bound: Bound | undefined
    for (const rival of waiting) {
      if (rival === pool || rival.slots.size > 0 || rival.openNotBefore > now) continue
      const first = this.#lending.firstServable(rival)
      if (!first) continue
      if (first.arrivedAt >= own.arrivedAt || now - first.arrivedAt < PATIENCE_MS) continue
      const full = this.#room.fullBound(rival)
      if (full === undefined || full === 'tenant' || !this.#room.shares(full, rival, pool)) continue
      rivals++
      bound = full
    }
    if (bound === undefined || this.#room.leaving(bound, pool) >= rivals) return false
    const share = this.#room.limit(bound, pool) / Math.max(1, this.#pools.size)
    return (bound === 'pools' ? 1 : pool.slots.size) > share
  }
}
