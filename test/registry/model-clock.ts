import { vi } from 'vitest'

/** Timers, `performance.now()` and the wall clock under a test's control, until disposed: hours pass in a moment. */
export class ModelClock implements Disposable {
  constructor() {
    vi.useFakeTimers({
      toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance', 'Date'],
    })
  }

  async advance(ms: number): Promise<void> {
    await vi.advanceTimersByTimeAsync(ms)
  }

  /** Lets time pass until the work has ended. */
  async while<T>(work: Promise<T>): Promise<T> {
    let isDone = false
    const mark = () => {
      isDone = true
    }
    work.then(mark, mark)
    while (!isDone) await vi.advanceTimersByTimeAsync(5)
    return work
  }

  [Symbol.dispose](): void {
    vi.useRealTimers()
  }
}
