import type { Trust } from '../../connection/connection.ts'
import type { OpenGate } from '../breaker/open-gate.ts'
import type { Opener } from '../pool/opener.ts'
import type { Room } from '../pool/room.ts'
import type { Slot } from '../pool/slot.ts'
import type { TenantPool } from '../pool/tenant-pool.ts'
import { growsInMs, loopIdleMs } from './growth.ts'
import type { Lending } from './lending.ts'
import { type Reclaimer, SURPLUS_SPARED_MS } from './reclaimer.ts'
import type { Turn, Turns } from './turns.ts'
import type { Waiter } from './waiter.ts'
import type { WaitingLine } from './waiting-line.ts'

const NEVER = Number.POSITIVE_INFINITY
/** Whether a server or tenant that is held back may be tried again is asked so often. */
const HELD_BACK_MS = 250

interface Parts {
  readonly line: WaitingLine
  readonly lending: Lending
  readonly turns: Turns
  readonly room: Room
  readonly opener: Opener
  readonly gate: OpenGate
  readonly reclaimer: Reclaimer
}

/**
 * Looks at the pools that wait, and gets things going for them. To be asked after every change that may help
 * somebody; costs nothing while nobody waits.
 * Invariant: after each look, whoever waits on has something under way that leads to the next one (an opening,
 * a closing, a lease that ends, a timer here or its own deadline).
 */
export class Dispatcher {
  readonly #parts: Parts
  readonly #growAfterMs: number
  #timer: NodeJS.Timeout | undefined
  #isStopped = false

  constructor(parts: Parts, growAfterMs: number) {
    this.#parts = parts
    this.#growAfterMs = growAfterMs
  }

  /** Serves all who can be served, and starts what the others need: an opening, or a closing that makes room. */
  pump(): void {
    const { line, turns, reclaimer } = this.#parts
    if (line.size === 0 || this.#isStopped) return
    this.#serveIdle()
    reclaimer.beginRound()
    turns.begin()
    let againInMs = NEVER
    const inOrder = turns.inOrder(line.pools)
    inOrder.forEach((turn, at) => {
      againInMs = Math.min(againInMs, this.#openFor(turn, inOrder, at))
    })
    clearTimeout(this.#timer)
    if (againInMs !== NEVER) this.#timer = setTimeout(() => this.pump(), Math.max(1, againInMs))
  }

  /** A connection of the pool has become idle that nobody of its tenant and trust class waits for. */
  noteIdle(pool: TenantPool): void {
    if (this.#parts.turns.isWantedOf(pool)) this.pump()
  }

  hand(slot: Slot, waiter: Waiter): void {
    slot.pool.waitedTogetherMs += loopIdleMs() - waiter.idleAtArrival
    this.#parts.line.leave(slot.pool, waiter)
    waiter.resolve(this.#parts.lending.begin(slot, waiter.request))
  }

  /** For good. */
  stop(): void {
    this.#isStopped = true
    clearTimeout(this.#timer)
  }

  #serveIdle(): void {
    const { line, lending } = this.#parts
    for (const pool of line.pools) {
      if (pool.idleSlots.length === 0) continue
      for (const waiter of pool.waiters.slice()) {
        const slot = lending.takeIdle(pool, waiter.request)
        if (slot) this.hand(slot, waiter)
      }
    }
  }

  /** Opens a connection, or makes room for one. Returns milliseconds until it is worth asking again. */
  #openFor(turn: Turn, inOrder: readonly Turn[], at: number): number {
    const { opener, gate, room, turns, reclaimer } = this.#parts
    const { waiter, pool, isCold } = turn
    const { trust } = waiter.request
    if (waiter.isSettled) return NEVER
    const refusal = gate.refusal(pool.record, pool.server)
    if (refusal) return this.#refuse(pool, trust, refusal)
    const isGrowth = !isCold && !waiter.isNested
    const notBeforeMs = Math.max(
      pool.memory.openNotBefore - performance.now(),
      gate.waitMs(pool.server),
      isGrowth ? this.#growsInMs(waiter, pool) : 0,
    )
    if (notBeforeMs > 0) return notBeforeMs
    if (!opener.hasRoom(pool) || opener.isOpening(pool, trust)) return NEVER
    if (turns.mustEnd(pool, waiter)) {
      // What it has serves its other trust class alone.
      reclaimer.end(pool)
      return NEVER
    }
    if (room.fullBound(pool) !== undefined) return this.#makeRoom(turn, isGrowth)
    const permit = room.take(pool)
    if (typeof permit === 'string') return NEVER
    turns.noteOpening(turn, inOrder.slice(at + 1))
    opener.open(pool, permit, trust)
    return NEVER
  }

  /**
   * Nothing may be opened. Who has no connection to wait for is refused, but for the one whose own opening is
   * under way: that may be the probe.
   */
  #refuse(pool: TenantPool, trust: Trust, refusal: Error): number {
    if (pool.hasEstablished(trust)) return HELD_BACK_MS
    const [first, ...others] = pool.waiters.filter(({ request }) => request.trust === trust)
    const isOpening = this.#parts.opener.isOpening(pool, trust)
    for (const waiter of first && !isOpening ? [first, ...others] : others) {
      this.#parts.line.leave(pool, waiter)
      waiter.reject(refusal)
    }
    return NEVER
  }

  #makeRoom(turn: Turn, isGrowth: boolean): number {
    const { opener, reclaimer, room, turns } = this.#parts
    const { pool, waiter } = turn
    const bound = room.fullBound(pool)
    if (bound === 'pools') turns.noteWithoutPlace(turn)
    // With as many under way as may be, the end of any of them asks again.
    if (bound === undefined || !opener.hasRoomAfterClosing(pool)) return NEVER
    const isSparing = isGrowth || waiter.request.class === 'batch'
    if (reclaimer.makeRoom(bound, pool, isSparing)) return NEVER
    // Whoever grows at its tenant's limit is served by what it has.
    if (bound !== 'tenant' || !isGrowth) turns.noteBlocked(turn, bound)
    return Math.min(isSparing ? SURPLUS_SPARED_MS : NEVER, room.widensInMs(bound, pool))
  }

  #growsInMs(waiter: Waiter, pool: TenantPool): number {
    const waitedMs = loopIdleMs() - waiter.idleAtArrival
    return growsInMs({
      waitedMs,
      sinceArrivalMs: performance.now() - waiter.arrivedAt,
      waitedTogetherMs: pool.waitedTogetherMs + waitedMs,
      serviceMs: pool.serviceMs,
      growAfterMs: this.#growAfterMs,
      fill: this.#parts.room.fill(pool),
    })
  }
}
