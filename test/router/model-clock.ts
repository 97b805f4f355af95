import { performance as real } from 'node:perf_hooks'
import { vi } from 'vitest'

/**
 * Stops time, which moves by `vi.advanceTimersByTimeAsync` alone.
 * @param idleMs what the event loop has been idle by now; default: all the time.
 */
export function loopIdle(idleMs = () => globalThis.performance.now()): Disposable {
  vi.useFakeTimers({
    toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance', 'Date'],
  })
  // No spy: it would keep each of millions of calls.
  const { eventLoopUtilization } = real
  real.eventLoopUtilization = () => ({ idle: idleMs(), active: 0, utilization: 0 })
  return {
    [Symbol.dispose]() {
      real.eventLoopUtilization = eventLoopUtilization
      vi.useRealTimers()
    },
  }
}
