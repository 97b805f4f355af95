import { performance as real } from 'node:perf_hooks'
import { vi } from 'vitest'

/** Stops time, which moves by `vi.advanceTimersByTimeAsync` alone; the event loop counts as idle all the while. */
export function loopIdle(): Disposable {
  vi.useFakeTimers({
    toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance', 'Date'],
  })
  const idle = vi
    .spyOn(real, 'eventLoopUtilization')
    .mockImplementation(() => ({ idle: globalThis.performance.now(), active: 0, utilization: 0 }))
  return {
    [Symbol.dispose]() {
      idle.mockRestore()
      vi.useRealTimers()
    },
  }
}
