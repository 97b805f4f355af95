import { RegistryUnavailableError } from '../errors.ts'
import { unlessAborted } from './abort.ts'

const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 1_000
const MAX_WAITING = 1_000

/**
 * Bounds what is asked of a registry: so many reads at once while it answers; while it fails, one at a time with
 * growing pauses between, and whoever comes meanwhile waits for that one. The first that is answered ends it.
 * Invariant: `#inside` is the number of reads between `enter()` and `leave()`.
 */
export class ReadGate {
  readonly #maxInside: number
  readonly #waiting = new Set<() => void>()
  #inside = 0
  /** Failures since the last answer. */
  #failures = 0
  #nextAt = Number.NEGATIVE_INFINITY
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(maxInside: number) {
    this.#maxInside = maxInside
  }

  get isFailing(): boolean {
    return this.#failures > 0
  }

  /** Whether a read that nobody waits for would be let in now. */
  get isFree(): boolean {
    return this.#waiting.size === 0 && this.#isOpen()
  }

  /**
   * Undefined when the read may begin at once, else resolves when it may; `leave()` must follow.
   * @throws {CancelledError} by the signal. {RegistryUnavailableError} when too many wait.
   */
  enter(signal: AbortSignal): Promise<void> | undefined {
    if (this.isFree) {
      this.#inside++
      return undefined
    }
    if (this.#waiting.size >= MAX_WAITING) {
      throw new RegistryUnavailableError(`${MAX_WAITING} reads of the registry wait already`)
    }
    return this.#turn(signal)
  }

  /** @param outcome `left`: neither, the reader gave up. */
  leave(outcome: 'answered' | 'failed' | 'left'): void {
    this.#inside--
    if (outcome === 'answered') this.heard()
    if (outcome === 'failed') {
      const pause = Math.min(FIRST_PAUSE_MS * 2 ** this.#failures++, LONGEST_PAUSE_MS)
      // By chance, so that replicas do not come back together.
      this.#nextAt = performance.now() + pause * (0.5 + Math.random() / 2)
    }
    this.#admit()
  }

  /** The registry spoke, in whatever way. */
  heard(): void {
    this.#failures = 0
    this.#nextAt = Number.NEGATIVE_INFINITY
    this.#admit()
  }

  /** Lets in nobody any more; those who wait are ended by their signals. */
  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
  }

  #isOpen(): boolean {
    const limit = this.isFailing ? 1 : this.#maxInside
    return this.#inside < limit && performance.now() >= this.#nextAt
  }

  async #turn(signal: AbortSignal): Promise<void> {
    let wake = () => {}
    const turn = new Promise<void>((resolve) => {
      wake = resolve
    })
    this.#waiting.add(wake)
    this.#admit()
    try {
      await unlessAborted(turn, signal)
    } catch (error) {
      // Let in at the very moment of the abort: the place goes to the next.
      if (!this.#waiting.delete(wake)) this.leave('left')
      throw error
    }
  }

  #admit(): void {
    if (this.#isClosed) return
    for (const wake of this.#waiting) {
      if (!this.#isOpen()) break
      this.#waiting.delete(wake)
      this.#inside++
      wake()
    }
    const ms = this.#nextAt - performance.now()
    if (this.#waiting.size === 0 || ms <= 0 || this.#timer !== undefined) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#admit()
    }, ms)
  }
}
