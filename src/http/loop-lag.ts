/** How often it looks. */
const LOOK_MS = 50
/** Of lag that is too much: requests wait as long before anything is done for them. */
const LIMIT_MS = 200
/** How long a process that was late counts as late. */
const RECENT_MS = 1_000

/** Whether this process keeps up with its own work, by the delay of its event loop, until it is disposed of. */
export class LoopLag implements Disposable {
  readonly #timer: NodeJS.Timeout
  /** Monotonic milliseconds, as all here. */
  #due = performance.now() + LOOK_MS
  #lateUntil = 0

  constructor() {
    this.#timer = setInterval(() => this.#look(), LOOK_MS).unref()
  }

  /** Within the last second something was done over 200 ms late. */
  get isLate(): boolean {
    return performance.now() < this.#lateUntil
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }

  #look(): void {
    const now = performance.now()
    if (now - this.#due > LIMIT_MS) this.#lateUntil = now + RECENT_MS
    this.#due = now + LOOK_MS
  }
}
