import { setTimeout as delay } from 'node:timers/promises'
import { RouterClosedError } from '../errors.ts'

/**
 * Requests of the operator plane that change something, counted: what they write to must not be closed below
 * them. None begins after `drain()`.
 */
export class Mutations {
  readonly #underWay = new Set<Promise<unknown>>()
  #isDraining = false

  /** @throws {RouterClosedError} after `drain()`; else whatever `work` throws. */
  async run(work: () => Promise<void>): Promise<void> {
    if (this.#isDraining) throw new RouterClosedError('a change was asked for after drain()')
    const done = work()
    this.#underWay.add(done)
    try {
      await done
    } finally {
      this.#underWay.delete(done)
    }
  }

  /** Resolves when those under way have ended, or after `deadlineMs`. */
  async drain(deadlineMs: number): Promise<void> {
    this.#isDraining = true
    const deadline = new AbortController()
    const ended = Promise.allSettled(this.#underWay).then(() => deadline.abort())
    await Promise.race([
      ended,
      delay(deadlineMs, undefined, { signal: deadline.signal }).catch(() => undefined),
    ])
  }
}
