import { COUNT } from './count-script.ts'
import type { Allowance } from './plans.ts'
import { SLICES } from './sliding-window.ts'
import { type CountingRedis, SLOT_MS, Slots } from './slots.ts'
import type { Count } from './standing.ts'

const RESULTS = ['allowed', 'rate_limited', 'concurrency_limited'] as const

/** What Redis counted, and what is to be called when the request is over. */
export interface SharedCount {
  readonly count: Count
  readonly release: (() => void) | undefined
}

/** Counts in Redis, for all processes. */
export class SharedCounts {
  readonly #redis: CountingRedis
  readonly #slotMs: number
  readonly #slots: Slots

  constructor(redis: CountingRedis, slotMs = SLOT_MS) {
    this.#redis = redis
    this.#slotMs = slotMs
    this.#slots = new Slots(redis, slotMs)
  }

  /** @returns undefined where Redis is not there. @param name of the tenant: all its keys are in one place of a cluster. */
  async enter(name: string, allowance: Allowance): Promise<SharedCount | undefined> {
    const key = slotsKey(name)
    const slot = allowance.concurrency === null ? undefined : this.#slots.next()
    if (!this.#redis.isAvailable) return undefined
    const count = await this.#ask(name, allowance, slot)
    // Whether it took the slot is not known.
    if (count === undefined && slot !== undefined) this.#slots.doubt(slot, key)
    if (count === undefined) return undefined
    if (count.result !== 'allowed' || slot === undefined) return { count, release: undefined }
    this.#slots.hold(slot, key)
    return { count, release: () => this.#slots.release(slot, key) }
  }

  /** What `enter` would find; counts nothing. */
  look(name: string, allowance: Allowance): Promise<Count | undefined> {
    return this.#ask(name, allowance, undefined, false)
  }

  close(): void {
    this.#slots.close()
  }

  async #ask(
    name: string,
    { rate, concurrency }: Allowance,
    slot: string | undefined,
    counts = true,
  ): Promise<Count | undefined> {
    const windowSeconds = rate?.windowSeconds ?? 1
    const sliceMs = (windowSeconds * 1_000) / SLICES
    const keys = [`${name}:requests:${windowSeconds}`, slotsKey(name)]
    const args = [rate?.quota ?? 0, sliceMs, concurrency ?? 0, slot ?? '', this.#slotMs, counts ? 1 : 0]
    const answer = await this.#redis.run(COUNT, keys, args).catch(() => undefined) // told by the connection, once
    return answer === undefined ? undefined : countOf(answer, rate !== null, concurrency !== null)
  }
}

function slotsKey(name: string): string {
  return `${name}:slots`
}

function countOf(answer: unknown, isRated: boolean, isSlotted: boolean): Count | undefined {
  if (!Array.isArray(answer)) return undefined
  const [which, remaining, resetMs, active] = answer.map(Number)
  const result = RESULTS[which ?? -1]
  if (result === undefined || remaining === undefined || resetMs === undefined) return undefined
  return {
    result,
    remaining: isRated ? remaining : null,
    resetMs,
    active: isSlotted ? (active ?? null) : null,
  }
}
