import type { Quota } from './rate.ts'

/**
 * Requests are counted in so many slices of the window. One leaves with its slice, so up to a fiftieth of the window
 * late and never early: no window of any position holds more than the quota, and a tenant that asks without end gets
 * at least 50/51 of it. The script in Redis counts in the same way.
 */
export const SLICES = 50

export interface Taken {
  readonly isTaken: boolean
  readonly remaining: number
  /** Milliseconds until some of what was used comes back; 0 where nothing was. */
  readonly resetMs: number
}

/** The requests of one tenant in one process, on a clock that only goes forward. */
export class SlidingWindow {
  readonly windowMs: number
  readonly #sliceMs: number
  /** In order of time. */
  readonly #slices = new Map<number, number>()
  #used = 0

  constructor(windowMs: number) {
    this.windowMs = windowMs
    this.#sliceMs = windowMs / SLICES
  }

  /** @param now ms. */
  take({ quota }: Pick<Quota, 'quota'>, now: number): Taken {
    this.#forget(now)
    const isTaken = this.#used < quota
    if (isTaken) this.#count(now)
    return this.#taken(isTaken, quota, now)
  }

  /** What `take` would find. */
  look({ quota }: Pick<Quota, 'quota'>, now: number): Taken {
    this.#forget(now)
    return this.#taken(this.#used < quota, quota, now)
  }

  /** Somebody else let one in. */
  note(now: number): void {
    this.#forget(now)
    this.#count(now)
  }

  #count(now: number): void {
    const slice = Math.floor(now / this.#sliceMs)
    this.#slices.set(slice, (this.#slices.get(slice) ?? 0) + 1)
    this.#used++
  }

  #forget(now: number): void {
    const first = Math.floor(now / this.#sliceMs) - SLICES
    for (const [slice, count] of this.#slices) {
      if (slice >= first) return
      this.#slices.delete(slice)
      this.#used -= count
    }
  }

  #taken(isTaken: boolean, quota: number, now: number): Taken {
    const [oldest] = this.#slices.keys()
    const resetMs = oldest === undefined ? 0 : Math.max(0, (oldest + SLICES + 1) * this.#sliceMs - now)
    return { isTaken, remaining: Math.max(0, quota - this.#used), resetMs }
  }
}
