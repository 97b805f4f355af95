import type { Trust } from '../../connection/connection.ts'
import type { OpenGate } from '../breaker/open-gate.ts'
import type { Opener } from '../pool/opener.ts'
import type { Room } from '../pool/room.ts'
import type { Slot } from '../pool/slot.ts'
import type { TenantPool } from '../pool/tenant-pool.ts'
import { growsInMs } from './growth.ts'
import type { Lending } from './lending.ts'
import { GROWTH_SPARES_MS, type Reclaimer } from './reclaimer.ts'
import type { Waiter } from './waiter.ts'
import type { WaitingLine } from './waiting-line.ts'

const NEVER = Number.POSITIVE_INFINITY
/** Whether a server or tenant that is held back may be tried again is asked so often. */
const HELD_BACK_MS = 250

interface Parts {
  readonly line: WaitingLine
  readonly lending: Lending
  readonly room: Room
  readonly opener: Opener
  readonly reclaimer: Reclaimer
  readonly gate: OpenGate
}

/** Looks at all who wait, and gets things going for them. To be asked after every change that may help somebody. */
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
    const { line, lending, reclaimer } = this.#parts
    if (line.size === 0 || this.#isStopped) return
    reclaimer.beginRound()
    let againInMs = NEVER
    for (const pool of line.inOrder()) {
      for (const waiter of pool.waiters.slice()) {
        const slot = lending.takeIdle(pool, waiter.request)
        if (slot) this.hand(slot, waiter)
      }
      for (const trust of ['application', 'foreign'] as const) {
        const waiter = lending.firstServable(pool, trust)
        if (waiter) againInMs = Math.min(againInMs, this.#openFor(waiter, pool))
      }
    }
    clearTimeout(this.#timer)
    if (againInMs !== NEVER) this.#timer = setTimeout(() => this.pump(), Math.max(1, againInMs))
  }

  hand(slot: Slot, waiter: Waiter): void {
    this.#parts.line.leave(slot.pool, waiter)
    waiter.resolve(this.#parts.lending.begin(slot, waiter.request))
  }

  /** For good. */
  stop(): void {
    this.#isStopped = true
    clearTimeout(this.#timer)
  }

  /** Opens a connection, or makes room for one. Returns milliseconds until it is worth asking again. */
  #openFor(waiter: Waiter, pool: TenantPool): number {
    const { gate, opener, reclaimer, room } = this.#parts
    const { trust } = waiter.request
    const refusal = gate.refusal(pool.record, pool.server)
    if (refusal) return this.#refuse(pool, trust, refusal)
    const now = performance.now()
    if (pool.openNotBefore > now) return pool.openNotBefore - now
    if (opener.isOpening(pool, trust) || !opener.hasRoom(pool)) return NEVER
    const isGrowth = !waiter.isNested && pool.hasOpen(trust)
    const inMs = isGrowth ? this.#growsInMs(waiter, pool, now) : 0
    if (inMs > 0) return inMs
    const bound = room.fullBound(pool)
    if (bound !== undefined) {
      reclaimer.makeRoom(bound, pool, waiter, isGrowth)
      return isGrowth ? GROWTH_SPARES_MS : NEVER
    }
    const fullForMs = gate.waitMs(pool.server)
    if (fullForMs > 0) return fullForMs
    const permit = room.take(pool)
    if (typeof permit !== 'string') opener.open(pool, permit, trust)
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

  #growsInMs(waiter: Waiter, pool: TenantPool, now: number): number {
    return growsInMs({
      waitedMs: now - waiter.arrivedAt,
      serviceMs: pool.serviceMs,
      growAfterMs: this.#growAfterMs,
      fill: this.#parts.room.fill(pool),
    })
  }
}
