import { CancelledError } from '../errors.ts'

/** @throws {CancelledError} when the signal has aborted. */
export function refuseAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw cancelled(signal)
}

/**
 * The promise's outcome, or `CancelledError` at once when the signal aborts. The work itself goes on; its
 * late outcome is nobody's.
 */
export function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work
  return new Promise<T>((resolve, reject) => {
    const onAbort = () => reject(cancelled(signal))
    if (signal.aborted) {
      work.catch(() => {}) // its rejection has no other reader
      onAbort()
      return
    }
    signal.addEventListener('abort', onAbort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}

function cancelled(signal: AbortSignal): CancelledError {
  return new CancelledError('the caller aborted', { cause: signal.reason })
}
