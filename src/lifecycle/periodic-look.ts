/**
 * Looks for work again and again, one look at a time, until it is disposed of. A look that is under way then is to ask
 * `isClosed` before it begins anything new.
 */
export class PeriodicLook implements Disposable {
  readonly #look: () => Promise<void>
  readonly #failed: (error: unknown) => void
  readonly #timer: NodeJS.Timeout
  #isLooking = false
  #isClosed = false

  /** @param failed hears of what a look throws; there is a next one all the same. */
  constructor(look: () => Promise<void>, failed: (error: unknown) => void, everyMs: number) {
    this.#look = look
    this.#failed = failed
    this.#timer = setInterval(() => this.now(), everyMs)
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Unless one is under way. */
  now(): void {
    if (this.#isLooking || this.#isClosed) return
    this.#isLooking = true
    void this.#look()
      .catch(this.#failed)
      .finally(() => {
        this.#isLooking = false
      })
  }

  [Symbol.dispose](): void {
    this.#isClosed = true
    clearInterval(this.#timer)
  }
}
