import type { Wakeup } from './wakeup.ts'

const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 1_000

/** What a change feed does when it fails: says so once for each reason until it is answered, and pauses, longer each time. */
export class FeedRetry {
  readonly #onFault: (fault: Error) => void
  #failures = 0
  #reported: string | undefined

  constructor(onFault: (fault: Error) => void) {
    this.#onFault = onFault
  }

  answered(): void {
    this.#failures = 0
    this.#reported = undefined
  }

  /** Resolves when the next try is due, which `wakeup` and `signal` may bring forward; never rejects. */
  async failed(error: unknown, wakeup: Wakeup, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return
    const fault = error instanceof Error ? error : new Error('the change feed failed', { cause: error })
    if (fault.message !== this.#reported) this.#onFault(fault)
    this.#reported = fault.message
    const pause = Math.min(FIRST_PAUSE_MS * 2 ** this.#failures++, LONGEST_PAUSE_MS)
    // By chance, so that replicas do not come back together.
    await wakeup.wait(pause * (0.5 + Math.random() / 2), signal)
  }
}
