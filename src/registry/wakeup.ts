/** Lets a loop sleep until there is something to do. A call that comes while it is busy is not lost. */
export class Wakeup {
  #isDue = false
  #wake: (() => void) | undefined

  notify(): void {
    this.#isDue = true
    this.#wake?.()
  }

  /** Resolves at the next `notify()`, after `ms`, or when `signal` aborts; never rejects. For one waiter. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    if (!this.#isDue && !signal.aborted) await this.#sleep(ms, signal)
    this.#isDue = false
  }

  #sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer)
        signal.removeEventListener('abort', wake)
        this.#wake = undefined
        resolve()
      }
      const timer = setTimeout(wake, ms)
      signal.addEventListener('abort', wake, { once: true })
      this.#wake = wake
    })
  }
}
