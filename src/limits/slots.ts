import { randomUUID } from 'node:crypto'
import type { RedisConnection } from '../redis.ts'
import { RENEW } from './count-script.ts'

/** Milliseconds that a slot lasts where nobody renews it: those of a process that was killed are free then. */
export const SLOT_MS = 10_000
/** Of a slot's time: so often it is renewed. */
const RENEWALS = 4
/** Slots that may or may not be held in Redis; further ones end on their own. */
const MAX_UNSURE = 10_000

/** The part of a connection that counting needs. */
export type CountingRedis = Pick<RedisConnection, 'call' | 'run' | 'isAvailable'>

/**
 * The slots that requests of this process hold in Redis, renewed for as long as they run, until `close()`. Each has a
 * name of its own: one that ran out and was given to another request is never given back in that one's place.
 */
export class Slots {
  readonly #redis: CountingRedis
  readonly #slotMs: number
  readonly #process = randomUUID()
  #taken = 0
  /** Slot → key. */
  readonly #held = new Map<string, string>()
  /** Slots that Redis did not confirm that they are free → key, and when they end on their own. */
  readonly #unsure = new Map<string, { readonly key: string; readonly until: number }>()
  #timer: NodeJS.Timeout | undefined
  #isTending = false
  #isClosed = false

  constructor(redis: CountingRedis, slotMs: number) {
    this.#redis = redis
    this.#slotMs = slotMs
  }

  /** A name for the next slot. */
  next(): string {
    this.#taken++
    return `${this.#process}:${this.#taken}`
  }

  /** Redis holds it now. */
  hold(slot: string, key: string): void {
    this.#held.set(slot, key)
    this.#tendLater()
  }

  /** Nobody waits for it. */
  release(slot: string, key: string): void {
    this.#held.delete(slot)
    this.#redis.call('zrem', key, slot).catch(() => this.doubt(slot, key))
  }

  /** Redis may hold it for nobody: it is told when it answers again. */
  doubt(slot: string, key: string): void {
    if (this.#unsure.size < MAX_UNSURE)
      this.#unsure.set(slot, { key, until: performance.now() + this.#slotMs })
    this.#tendLater()
  }

  /** Redis forgets those that are held when they run out. */
  close(): void {
    this.#isClosed = true
    clearInterval(this.#timer)
  }

  #tendLater(): void {
    if (this.#isClosed) return
    this.#timer ??= setInterval(() => void this.#tend(), this.#slotMs / RENEWALS).unref()
  }

  async #tend(): Promise<void> {
    if (this.#isTending || !this.#redis.isAvailable) return
    this.#isTending = true
    try {
      await this.#renew()
      await this.#giveBack()
    } catch {
      // Redis has gone again: counted where requests are, and tried again.
    } finally {
      this.#isTending = false
    }
  }

  async #renew(): Promise<void> {
    const byKey = new Map<string, string[]>()
    for (const [slot, key] of this.#held) {
      const slots = byKey.get(key)
      if (slots) slots.push(slot)
      else byKey.set(key, [slot])
    }
    for (const [key, slots] of byKey) {
      // Those that were given back meanwhile stay so.
      const held = slots.filter((slot) => this.#held.has(slot))
      if (held.length > 0) await this.#redis.run(RENEW, [key], [this.#slotMs, ...held])
    }
  }

  async #giveBack(): Promise<void> {
    for (const [slot, { key, until }] of this.#unsure) {
      if (performance.now() < until) await this.#redis.call('zrem', key, slot)
      this.#unsure.delete(slot)
    }
  }
}
