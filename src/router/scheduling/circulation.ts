import { NotWarmError } from '../../errors.ts'
import type { OpenVerdict } from '../breaker/open-gate.ts'
import { WriteRefusals } from '../breaker/write-refusals.ts'
import type { CloseReason, EventHub } from '../events.ts'
import type { ResolvedRouterOptions } from '../options.ts'
import type { PoolMap } from '../pool/pool-map.ts'
import type { Retirement } from '../pool/retirement.ts'
import type { Room } from '../pool/room.ts'
import type { Slot } from '../pool/slot.ts'
import type { TenantPool } from '../pool/tenant-pool.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { Lending } from './lending.ts'
import type { Turns } from './turns.ts'
import type { WaitingLine } from './waiting-line.ts'

interface Parts {
  readonly pools: PoolMap
  readonly line: WaitingLine
  readonly lending: Lending
  readonly turns: Turns
  readonly room: Room
  readonly dispatcher: Dispatcher
  readonly retirement: Retirement
}

/**
 * How connections go round: opened, lent, given back, closed, gone.
 * Invariants: a leased slot leaves its lease only by `giveBack`, `expire` or its socket's end; every opened slot
 * is let go in `gone`, and nowhere else; a worn-out one is handed to nobody, however many wait.
 */
export class Circulation {
  readonly #options: ResolvedRouterOptions
  readonly #events: EventHub
  readonly #parts: Parts
  readonly #writeRefusals = new WriteRefusals()

  constructor(options: ResolvedRouterOptions, events: EventHub, parts: Parts) {
    this.#options = options
    this.#events = events
    this.#parts = parts
  }

  giveBack(slot: Slot, quiet: Promise<void> | undefined): void {
    if (slot.state !== 'leased') return
    slot.pool.noteService(performance.now() - slot.leasedAt)
    const { connection } = slot
    const isSpotless =
      slot.trust === 'application' && connection.residue === 'none' && connection.transaction === 'idle'
    this.#endLease(slot)
    if (isSpotless && !quiet) this.#place(slot)
    else void this.#clean(slot, quiet)
  }

  async expire(
    slot: Slot,
    quiet: Promise<void> | undefined,
    reason: CloseReason,
    error: Error,
  ): Promise<void> {
    if (slot.state !== 'leased') return
    this.#endLease(slot)
    if (reason !== 'expired') slot.closeReason ??= reason
    await this.#clean(slot, quiet, error)
  }

  close(slot: Slot, reason: CloseReason): void {
    this.#parts.retirement.close(slot, reason)
  }

  evict(pool: TenantPool, reason: CloseReason): number {
    for (const slot of pool.slots) if (slot.state !== 'opening') slot.closeReason ??= reason
    const idle = pool.idleSlots.slice()
    for (const slot of idle) this.close(slot, reason)
    return idle.length
  }

  opened(slot: Slot): void {
    slot.pool.memory.noteOpened()
    slot.become('cleaning')
    void slot.connection.closed.then(() => this.#closed(slot))
    this.#place(slot, true)
    // Its place among the openings came free.
    this.#parts.dispatcher.pump()
  }

  openFailed(slot: Slot, error: Error, { retryInMs, isServerFull }: OpenVerdict): void {
    const { pool } = slot
    const { line, pools, room, retirement, dispatcher } = this.#parts
    retirement.openFailed(slot)
    if (isServerFull) room.noteServerFull(pool)
    else pool.memory.noteFailure(performance.now(), retryInMs)
    if (retryInMs === undefined && !pool.hasOpen(slot.trust)) line.refuse(pool, error, slot.trust)
    this.#refuseCold(slot)
    pools.forgetIfEmpty(pool)
    dispatcher.pump()
  }

  /** The server has let go of the backend. */
  gone(slot: Slot): void {
    const { pool } = slot
    if (!slot.letGo()) return
    pool.removeIdle(slot)
    if (pool.slots.size === 0) {
      const reason = slot.closeReason ?? 'lost'
      this.#events.emit('evicted', { tenant: pool.id, server: pool.server.id, reason })
    }
    this.#refuseCold(slot)
    this.#parts.pools.forgetIfEmpty(pool)
    this.#parts.dispatcher.pump()
  }

  /** Where a connection goes that is open, clean and nobody's: to the next of its tenant, away, or idle. */
  #place(slot: Slot, isNew = false): void {
    const { pool } = slot
    const { lending, turns, dispatcher, retirement } = this.#parts
    if (!slot.connection.isOpen) return
    if (this.#writeRefusals.isRecyclingDue(pool.id, slot.connection)) this.evict(pool, 'read_only')
    if (slot.closeReason || pool.isDraining) return this.close(slot, slot.closeReason ?? 'rotated')
    if (retirement.closeIfWorn(slot, this.#options.maxStatementsPerConnection)) return dispatcher.pump()
    if (turns.isOutdated(pool)) dispatcher.pump()
    const waiter = isNew ? lending.firstOfOpened(pool, slot.trust) : lending.firstServable(pool, slot.trust)
    if (!waiter) {
      pool.putIdle(slot)
      dispatcher.noteIdle(pool)
    } else if (!isNew && turns.mustYield(pool, waiter)) {
      this.close(slot, 'fairness')
      dispatcher.pump()
    } else {
      dispatcher.hand(slot, waiter)
    }
  }

  async #clean(slot: Slot, quiet: Promise<void> = Promise.resolve(), error?: Error): Promise<void> {
    if (await this.#parts.retirement.clean(slot, quiet, error)) this.#place(slot)
  }

  #endLease(slot: Slot): void {
    slot.become('cleaning')
    // What it counted against its class may be what others wait for.
    if (this.#parts.lending.end(slot)) this.#parts.dispatcher.pump()
  }

  /** The socket has closed, whoever closed it. */
  #closed(slot: Slot): void {
    const { retirement, dispatcher, lending } = this.#parts
    if (slot.closeReason === undefined) {
      slot.pool.memory.noteDeath(performance.now() - slot.connection.openedAt)
    }
    slot.pool.removeIdle(slot)
    slot.lost?.()
    lending.end(slot)
    retirement.socketClosed(slot)
    this.#refuseCold(slot)
    dispatcher.pump()
  }

  /** Who takes open connections only waits no longer when the last of its trust class goes. */
  #refuseCold({ pool, trust }: Slot): void {
    if (pool.waiters.length === 0 || pool.hasOpen(trust)) return
    const error = new NotWarmError(`tenant ${pool.id} has no open connection any more`)
    this.#parts.line.refuseCold(pool, error, trust)
  }
}
