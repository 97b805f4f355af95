import { CancelledError, NotWarmError, RouterClosedError } from '../../errors.ts'
import type { ServerRecord } from '../../registry/server-record.ts'
import type { TenantId } from '../../tenant/tenant-id.ts'
import type { TenantRecord } from '../../tenant/tenant-record.ts'
import type { OpenGate } from '../breaker/open-gate.ts'
import type { CloseReason, EventHub } from '../events.ts'
import type { ResolvedRouterOptions } from '../options.ts'
import { Budget } from '../pool/budget.ts'
import { type OpenConnection, Opener } from '../pool/opener.ts'
import { PoolMap } from '../pool/pool-map.ts'
import { type ConfirmGone, Retirement } from '../pool/retirement.ts'
import { Room } from '../pool/room.ts'
import type { Slot } from '../pool/slot.ts'
import type { TenantPool } from '../pool/tenant-pool.ts'
import { Circulation } from './circulation.ts'
import { Dispatcher } from './dispatcher.ts'
import { loopIdleMs } from './growth.ts'
import { Lending } from './lending.ts'
import { Reclaimer } from './reclaimer.ts'
import { acquireTimeout, deadlock, isBlocked } from './refusal.ts'
import { Turns } from './turns.ts'
import { type AcquireRequest, Waiter } from './waiter.ts'
import { WaitingLine } from './waiting-line.ts'

/** Pools that ended and are remembered, for each pool that may be open. */
const REMEMBERED_PER_POOL = 8
/** A connection beside another of its tenant is closed when it was idle for this long. */
const SURPLUS_IDLE_MS = 30_000

/**
 * Decides who gets which connection, who opens one and who closes one. Everything between two awaits is one
 * decision, so no state is seen half changed.
 * Invariants: permits out = slots of all pools, in every scope, at every instant (but quarantined ones count for
 * server and tenant alone); a leased connection is closed
 * only by its end, its deadline or a cut; those of a tenant's waiters that ask for the same (trust, class) are
 * served in order of arrival; nobody waits while an idle connection fits; nobody whose tenant has no connection
 * is passed by younger waiters of other tenants more than `MAX_PASSES` times while it waits for room and none is on
 * its way, leases inside leases not counted, nor what hot pools keep from a batch lease; while nobody waits,
 * `acquire` and `giveBack` look at one pool and no other.
 */
export class Scheduler {
  readonly #options: ResolvedRouterOptions
  readonly #pools: PoolMap
  readonly #line: WaitingLine
  readonly #room: Room
  readonly #lending: Lending
  readonly #opener: Opener
  readonly #dispatcher: Dispatcher
  readonly #retirement: Retirement
  readonly #circulation: Circulation
  readonly budget: Budget
  #isClosing = false
  #onQuiet: (() => void) | undefined

  constructor(
    options: ResolvedRouterOptions,
    open: OpenConnection,
    confirmGone: ConfirmGone,
    gate: OpenGate,
    events: EventHub,
  ) {
    this.#options = options
    const pools = new PoolMap(options.maxPools * REMEMBERED_PER_POOL, () => this.#onQuiet?.())
    const line = new WaitingLine((pool) => pools.forgetIfEmpty(pool))
    this.budget = new Budget(options.maxConnections)
    const room = new Room(options, this.budget, pools)
    const lending = new Lending(room)
    const turns = new Turns(room, lending)
    const reclaimer = new Reclaimer(room, pools, events, (slot, why) => this.#circulation.close(slot, why))
    const opener = new Opener(options, open, gate, events, {
      opened: (slot) => this.#circulation.opened(slot),
      stalled: () => this.#dispatcher.pump(),
      failed: (slot, error, verdict) => this.#circulation.openFailed(slot, error, verdict),
    })
    const parts = { pools, line, lending, turns, room, opener, gate, reclaimer }
    const dispatcher = new Dispatcher(parts, options.growAfterMs)
    const retirement = new Retirement(confirmGone, events, (slot) => this.#circulation.gone(slot))
    this.#circulation = new Circulation(options, events, { ...parts, dispatcher, retirement })
    this.#pools = pools
    this.#line = line
    this.#room = room
    this.#lending = lending
    this.#opener = opener
    this.#dispatcher = dispatcher
    this.#retirement = retirement
  }

  get pools(): ReadonlySet<TenantPool> {
    return this.#pools.all
  }

  get waiters(): number {
    return this.#line.size
  }

  get room(): Room {
    return this.#room
  }

  /** Pools that count against `maxPools`. */
  get openPools(): number {
    return this.#pools.process.openPools
  }

  current(id: TenantId): TenantPool | undefined {
    return this.#pools.current(id)
  }

  /**
   * The tenant's pool for this record. One of an older epoch drains from here on, and its waiters move over.
   * A record older than the pool's own changes nothing: whoever read it was overtaken.
   */
  poolOf(record: TenantRecord, revision: number, server: ServerRecord): TenantPool {
    const present = this.#pools.current(record.id)
    if (present && revision < present.revision) return present
    const isSamePlace = present?.isOn(server)
    if (present && isSamePlace && present.isOfEpoch(record)) {
      if (present.update(record, revision, server)) this.evict(present, 'limits_changed')
      return present
    }
    if (present) {
      const error = new NotWarmError(`the connections of tenant ${present.id} are being replaced`)
      this.#line.refuseCold(present, error)
    }
    const pool = this.#pools.add(record, revision, server)
    if (present) {
      this.#line.move(present, pool)
      this.drain(present, isSamePlace ? 'rotated' : 'server_changed')
    }
    return pool
  }

  /** As `poolOf`, for a record that nobody asks a lease for. */
  follow(record: TenantRecord, revision: number, server: ServerRecord): void {
    const pool = this.poolOf(record, revision, server)
    // Those who moved to it wait for openings now.
    this.#dispatcher.pump()
    this.#pools.forgetIfEmpty(pool)
  }

  /** @throws {AcquireTimeoutError | TooManyWaitersError | NestedLeaseError | RouterClosedError | CancelledError} */
  acquire(found: TenantPool, request: AcquireRequest): Slot | Promise<Slot> {
    let pool = found
    try {
      if (this.#isClosing) throw new RouterClosedError('a lease was asked for after close()')
      if (request.signal?.aborted) throw new CancelledError('the caller had aborted already')
      pool = this.#inUse(found)
      // Those of its class who wait where one is idle have no room in their batch share.
      const isNext = this.#lending.firstServable(pool, request.trust) === undefined
      const slot = isNext ? this.#lending.takeIdle(pool, request) : undefined
      return slot ? this.#lending.begin(slot, request) : this.#wait(pool, request)
    } catch (error) {
      this.#pools.forgetIfEmpty(pool)
      throw error
    }
  }

  /**
   * Takes a leased connection back. It goes to the next lease once nothing of this one is left in it.
   * @param quiet settles when the lease's last statement has ended; undefined where that is so already.
   */
  giveBack(slot: Slot, quiet: Promise<void> | undefined): void {
    this.#circulation.giveBack(slot, quiet)
  }

  /**
   * Takes a connection away from its lease: what runs is cancelled, or the connection destroyed.
   * @param error what the statement that runs rejects with.
   */
  expire(slot: Slot, quiet: Promise<void> | undefined, reason: CloseReason, error: Error): Promise<void> {
    return this.#circulation.expire(slot, quiet, reason, error)
  }

  /** Closes what is idle and, once it comes back, what is leased. New leases open anew. @returns how many were idle. */
  evict(pool: TenantPool, reason: CloseReason): number {
    return this.#circulation.evict(pool, reason)
  }

  /** As `evict`, and the pool takes no new leases. */
  drain(pool: TenantPool, reason: CloseReason): void {
    pool.isDraining = true
    this.#pools.retire(pool)
    this.evict(pool, reason)
    this.#pools.forgetIfEmpty(pool)
  }

  /** Ends the tenant's pools at once, also those of older epochs, with their leases and those who wait. */
  cut(tenant: TenantId, reason: CloseReason, error: Error): void {
    // Asked for each request of a tenant that is not served: where it has nothing, no pool is looked at.
    if (!this.#pools.current(tenant) && this.budget.out('tenant', tenant) === 0) return
    for (const pool of this.#pools.all) if (pool.id === tenant) this.#cut(pool, reason, error)
  }

  /** Closes what is idle for too long, or has lived its life. */
  sweep(): void {
    const now = performance.now()
    const { poolIdleTimeoutMs } = this.#options
    for (const pool of this.#pools.all) {
      for (const slot of pool.idleSlots.slice()) {
        const mayIdleMs =
          slot === pool.surplus ? Math.min(poolIdleTimeoutMs, SURPLUS_IDLE_MS) : poolIdleTimeoutMs
        if (now - slot.idleSince >= mayIdleMs) this.#circulation.close(slot, 'idle')
        else this.#retirement.closeIfWorn(slot, this.#options.maxStatementsPerConnection)
      }
    }
  }

  /** Refuses who waits, drains all pools, cuts what is still out after `cutAfterMs`; settles when all is closed. */
  async close(cutAfterMs: number): Promise<void> {
    this.#isClosing = true
    this.#dispatcher.stop()
    // Nobody takes a permit any more, so none is kept back.
    this.#retirement.abandonEvidence()
    const error = new RouterClosedError('the router was closed')
    const quiet = new Promise<void>((resolve) => {
      this.#onQuiet = resolve
    })
    for (const pool of this.#line.pools) this.#line.refuse(pool, error)
    for (const pool of this.#pools.all) this.drain(pool, 'shutdown')
    this.#opener.close()
    if (this.#pools.all.size === 0) return
    const timer = setTimeout(() => {
      for (const pool of this.#pools.all) this.#cut(pool, 'shutdown', error)
    }, cutAfterMs)
    await quiet
    clearTimeout(timer)
  }

  #cut(pool: TenantPool, reason: CloseReason, error: Error): void {
    pool.cutBy = error
    this.#line.refuse(pool, error)
    this.drain(pool, reason)
    for (const slot of pool.slots) slot.revoke?.(reason, error)
  }

  /** The pool itself, or the one in its place: others may have ended it since the caller found it. */
  #inUse(pool: TenantPool): TenantPool {
    if (this.#pools.current(pool.id) === pool) return pool
    if (pool.cutBy) throw pool.cutBy
    return this.poolOf(pool.record, pool.revision, pool.server)
  }

  #wait(pool: TenantPool, request: AcquireRequest): Promise<Slot> {
    this.#line.makeWay(pool, this.#options.maxWaiters)
    const home = () => this.#pools.current(pool.id) ?? pool
    const waiter = new Waiter(
      request,
      () => acquireTimeout(this.#room, home(), request.timeoutMs),
      (ended) => this.#line.leave(home(), ended),
      () => isBlocked(this.#room, home()),
      loopIdleMs(),
    )
    this.#line.join(pool, waiter)
    this.#dispatcher.pump()
    const error = waiter.isNested && !waiter.isSettled ? deadlock(this.#room, pool) : undefined
    if (error) {
      this.#line.leave(pool, waiter)
      waiter.reject(error)
    }
    return waiter.promise
  }
}
