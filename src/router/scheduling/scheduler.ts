import { CancelledError, RouterClosedError } from '../../errors.ts'
import type { ServerRecord } from '../../registry/server-record.ts'
import type { TenantId } from '../../tenant/tenant-id.ts'
import type { TenantRecord } from '../../tenant/tenant-record.ts'
import type { OpenGate, OpenVerdict } from '../breaker/open-gate.ts'
import { WriteRefusals } from '../breaker/write-refusals.ts'
import type { CloseReason, EventHub } from '../events.ts'
import type { ResolvedRouterOptions } from '../options.ts'
import { Budget } from '../pool/budget.ts'
import { type OpenConnection, Opener } from '../pool/opener.ts'
import { PoolMap } from '../pool/pool-map.ts'
import { type ConfirmGone, Retirement } from '../pool/retirement.ts'
import { Room } from '../pool/room.ts'
import type { Slot } from '../pool/slot.ts'
import type { TenantPool } from '../pool/tenant-pool.ts'
import { Dispatcher } from './dispatcher.ts'
import { Lending } from './lending.ts'
import { Reclaimer } from './reclaimer.ts'
import { acquireTimeout, deadlock, isBlocked } from './refusal.ts'
import { type AcquireRequest, Waiter } from './waiter.ts'
import { WaitingLine } from './waiting-line.ts'

/** Pools that ended and whose priority is remembered, for each pool that may be open. */
const REMEMBERED_PER_POOL = 8
/**
 * Decides who gets which connection, who opens one and who closes one. Everything between two awaits is one
 * decision, so no state is seen half changed.
 * Invariants: permits out = slots of all pools; a leased slot leaves its lease only by `giveBack` or `expire`;
 * a pool's waiters are served in order; nobody waits while an idle connection fits.
 */
export class Scheduler {
  readonly #options: ResolvedRouterOptions
  readonly #events: EventHub
  readonly #pools: PoolMap
  readonly #line: WaitingLine
  readonly #room: Room
  readonly #lending: Lending
  readonly #opener: Opener
  readonly #reclaimer: Reclaimer
  readonly #dispatcher: Dispatcher
  readonly #retirement: Retirement
  readonly #writeRefusals = new WriteRefusals()
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
    this.#events = events
    this.#pools = new PoolMap(options.maxPools * REMEMBERED_PER_POOL, () => this.#onQuiet?.())
    this.#line = new WaitingLine((pool) => this.#pools.forgetIfEmpty(pool))
    this.budget = new Budget(options.maxConnections)
    this.#room = new Room(options, this.budget, this.#pools.all)
    this.#lending = new Lending(this.#room, options.maxConnections)
    this.#reclaimer = new Reclaimer(this.#room, this.#lending, this.#pools.all, events, (slot, why) =>
      this.#retirement.close(slot, why),
    )
    this.#opener = new Opener(options, open, gate, events, {
      opened: (slot) => this.#opened(slot),
      failed: (slot, error, verdict) => this.#openFailed(slot, error, verdict),
    })
    this.#dispatcher = new Dispatcher(
      {
        line: this.#line,
        lending: this.#lending,
        room: this.#room,
        opener: this.#opener,
        reclaimer: this.#reclaimer,
        gate,
      },
      options.growAfterMs,
    )
    this.#retirement = new Retirement(confirmGone, events, (slot) => this.#gone(slot))
  }

  get pools(): ReadonlySet<TenantPool> {
    return this.#pools.all
  }

  get waiters(): number {
    return this.#line.size
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
    const pool = this.#pools.add(record, revision, server)
    if (present) {
      this.#line.move(present, pool)
      this.drain(present, isSamePlace ? 'rotated' : 'server_changed')
    }
    return pool
  }

  /** As `poolOf`, for a record that nobody asks a lease for. */
  follow(record: TenantRecord, revision: number, server: ServerRecord): void {
    this.#pools.forgetIfEmpty(this.poolOf(record, revision, server))
  }

  /** @throws {AcquireTimeoutError | TooManyWaitersError | NestedLeaseError | RouterClosedError | CancelledError} */
  acquire(pool: TenantPool, request: AcquireRequest): Slot | Promise<Slot> {
    try {
      if (this.#isClosing) throw new RouterClosedError('a lease was asked for after close()')
      if (request.signal?.aborted) throw new CancelledError('the caller had aborted already')
      const slot = pool.waiters.length === 0 ? this.#lending.takeIdle(pool, request) : undefined
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
    if (slot.state !== 'leased') return
    slot.pool.noteService(performance.now() - slot.leasedAt)
    this.#endLease(slot)
    const { connection } = slot
    const isSpotless =
      slot.trust === 'application' && connection.residue === 'none' && connection.transaction === 'idle'
    if (isSpotless && !quiet) this.#place(slot)
    else void this.#clean(slot, quiet)
  }

  /** Takes a connection away from its lease: what runs is cancelled, or the connection destroyed. */
  async expire(slot: Slot, quiet: Promise<void> | undefined, reason: CloseReason): Promise<void> {
    if (slot.state !== 'leased') return
    this.#endLease(slot)
    if (reason !== 'expired') slot.closeReason ??= reason
    await this.#clean(slot, quiet)
  }

  /** Closes what is idle and, once it comes back, what is leased. New leases open anew. */
  evict(pool: TenantPool, reason: CloseReason): number {
    for (const slot of pool.slots) if (slot.state !== 'opening') slot.closeReason ??= reason
    const idle = pool.idleSlots.slice()
    for (const slot of idle) this.#retirement.close(slot, reason)
    return idle.length
  }

  /** As `evict`, and the pool takes no new leases. */
  drain(pool: TenantPool, reason: CloseReason): void {
    pool.isDraining = true
    this.#pools.retire(pool)
    this.evict(pool, reason)
    this.#pools.forgetIfEmpty(pool)
  }

  /** Ends the pool at once, with its leases and those who wait. */
  cut(pool: TenantPool, reason: CloseReason, error: Error): void {
    pool.cutBy = error
    this.#line.refuse(pool, error)
    this.drain(pool, reason)
    for (const slot of pool.slots) slot.revoke?.(reason, error)
  }

  /** Closes what is idle for too long, or has lived its life. */
  sweep(): void {
    const now = performance.now()
    for (const pool of this.#pools.all) {
      for (const slot of pool.idleSlots.slice()) {
        if (now - slot.idleSince >= this.#options.poolIdleTimeoutMs) this.#retirement.close(slot, 'idle')
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
      for (const pool of this.#pools.all) this.cut(pool, 'shutdown', error)
    }, cutAfterMs)
    await quiet
    clearTimeout(timer)
  }

  #wait(pool: TenantPool, request: AcquireRequest): Promise<Slot> {
    this.#line.makeWay(pool, this.#options.maxWaiters)
    const home = () => this.#pools.current(pool.id) ?? pool
    const waiter = new Waiter(
      request,
      () => acquireTimeout(this.#room, home(), request.timeoutMs),
      (ended) => this.#line.leave(home(), ended),
      () => isBlocked(this.#room, home()),
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

  /** Where a connection goes that is open, clean and nobody's: to the next of its tenant, away, or idle. */
  #place(slot: Slot, mayKeep = true): void {
    const { pool } = slot
    if (!slot.connection.isOpen) return
    if (this.#writeRefusals.isRecyclingDue(pool.id, slot.connection)) this.evict(pool, 'read_only')
    if (slot.closeReason || pool.isDraining)
      return this.#retirement.close(slot, slot.closeReason ?? 'rotated')
    const waiter = this.#lending.firstServable(pool, slot.trust)
    if (!waiter) {
      pool.putIdle(slot)
      const isGoing = this.#retirement.closeIfWorn(slot, this.#options.maxStatementsPerConnection)
      if (!isGoing) this.#dispatcher.pump()
    } else if (mayKeep && this.#reclaimer.mustYield(pool, waiter, this.#line.pools)) {
      this.#retirement.close(slot, 'fairness')
    } else {
      this.#dispatcher.hand(slot, waiter)
      // What the last lease counted against its class may be what others wait for.
      this.#dispatcher.pump()
    }
  }

  #endLease(slot: Slot): void {
    this.#lending.end(slot)
    slot.state = 'cleaning'
  }

  async #clean(slot: Slot, quiet: Promise<void> | undefined): Promise<void> {
    if (await this.#retirement.clean(slot, quiet ?? Promise.resolve())) this.#place(slot)
  }

  #opened(slot: Slot): void {
    void slot.connection.closed.then(() => {
      slot.lost?.()
      this.#lending.end(slot)
      this.#retirement.socketClosed(slot)
      this.#dispatcher.pump()
    })
    slot.pool.noteSuccess()
    this.#place(slot, false)
    this.#dispatcher.pump()
  }

  #openFailed(slot: Slot, error: Error, { retryInMs, isServerFull }: OpenVerdict): void {
    const { pool } = slot
    this.#retirement.openFailed(slot)
    if (isServerFull) this.#room.noteServerFull(pool)
    else pool.noteFailure(retryInMs)
    if (retryInMs === undefined && !pool.hasOpen(slot.trust)) this.#line.refuse(pool, error, slot.trust)
    this.#pools.forgetIfEmpty(pool)
    this.#dispatcher.pump()
  }

  /** The one place where the permit of an opened connection goes back. */
  #gone(slot: Slot): void {
    const { pool } = slot
    if (!pool.slots.delete(slot)) return
    this.#endLease(slot)
    slot.state = 'closing'
    pool.removeIdle(slot)
    slot.permit.release()
    if (pool.slots.size === 0) {
      const reason = slot.closeReason ?? 'lost'
      this.#events.emit('evicted', { tenant: pool.id, server: pool.server.id, reason })
    }
    this.#pools.forgetIfEmpty(pool)
    this.#dispatcher.pump()
  }
}
