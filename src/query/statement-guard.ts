import type { Statement, StatementResult } from '../connection/connection.ts'
import type { RowBatch, StreamEnd, TakeBatch } from '../connection/row-stream.ts'
import { CancelledError, OutcomeUnknownError, StatementTimeoutError } from '../errors.ts'

/** The part of a lease that statements run on. */
export interface StatementRunner {
  run(statement: Statement): Promise<StatementResult>
  stream(statement: Statement, take: TakeBatch): Promise<StreamEnd>
  /** Asks the server to end the running statement, which then settles when that can reach no later one. */
  cancel(): Promise<void>
}

/** Milliseconds for a cancelled statement to end before we stop waiting for it. */
const CANCEL_GRACE_MS = 800
const CANCEL_AGAIN_MS = 100

/**
 * Runs the statements of one request, under one time limit and for as long as the caller is there. When
 * either ends, the running statement is cancelled on the server and no further one is begun.
 */
export class StatementGuard implements Disposable {
  readonly #runner: StatementRunner
  readonly #signal: AbortSignal
  /** First the time limit, then the grace of the cancelled statement. */
  #timer: NodeJS.Timeout
  #again: NodeJS.Timeout | undefined
  #isRunning = false
  readonly #limitMs: number
  /** Of the limit, when the clock was last set going. */
  #leftMs: number
  /** Monotonic milliseconds; undefined while the clock stands. */
  #goingSince: number | undefined
  /** Why nothing runs any more. */
  #end: Error | undefined
  /** Ends the wait for a cancelled statement that goes on past its grace. */
  #abandon: (error: Error) => void = () => undefined

  /** @param signal aborts with an Error as its reason. */
  constructor(runner: StatementRunner, limitMs: number, signal: AbortSignal) {
    this.#runner = runner
    this.#signal = signal
    this.#limitMs = limitMs
    this.#leftMs = limitMs
    this.#timer = this.#startClock()
    signal.addEventListener('abort', this.#onAbort)
  }

  /**
   * A statement that ended before its cancel arrived has taken effect, and resolves.
   * @throws {StatementTimeoutError} past the limit; the signal's reason when the caller left;
   * {OutcomeUnknownError} when the server did not end the cancelled statement; else as `Connection.run`.
   */
  run(statement: Statement): Promise<StatementResult> {
    return this.#guarded(() => this.#runner.run(statement))
  }

  /** As `run`; the time limit does not count what `take` takes. */
  stream(statement: Statement, take: TakeBatch): Promise<StreamEnd> {
    const unhurried = async (batch: RowBatch) => {
      this.#stopClock()
      try {
        await take(batch)
      } finally {
        if (this.#isRunning && !this.#end && this.#goingSince === undefined) this.#timer = this.#startClock()
      }
    }
    return this.#guarded(() => this.#runner.stream(statement, unhurried))
  }

  async #guarded<T>(work: () => Promise<T>): Promise<T> {
    this.throwIfEnded()
    if (this.#goingSince === undefined) this.#timer = this.#startClock()
    this.#isRunning = true
    try {
      return await new Promise<T>((resolve, reject) => {
        this.#abandon = reject
        work().then(resolve, reject)
      })
    } catch (error) {
      // A cancelled statement says no more than that; the reason is ours.
      throw this.#end && error instanceof CancelledError ? this.#end : error
    } finally {
      this.#isRunning = false
    }
  }

  /** Whoever has more to do asks first: a statement may have won against its cancel. */
  throwIfEnded(): void {
    if (this.#signal.aborted) this.#onAbort()
    if (this.#end) throw this.#end
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
    clearInterval(this.#again)
    this.#signal.removeEventListener('abort', this.#onAbort)
  }

  readonly #onAbort = (): void => this.#stop(this.#signal.reason)

  #startClock(): NodeJS.Timeout {
    this.#goingSince = performance.now()
    const tookTooLong = () =>
      new StatementTimeoutError(`the statements of a request took over ${this.#limitMs} ms`)
    return setTimeout(() => this.#stop(tookTooLong()), this.#leftMs)
  }

  #stopClock(): void {
    if (this.#end || this.#goingSince === undefined) return
    clearTimeout(this.#timer)
    this.#leftMs -= performance.now() - this.#goingSince
    this.#goingSince = undefined
  }

  #stop(reason: Error): void {
    if (this.#end) return
    this.#end = reason
    clearTimeout(this.#timer)
    const why = `cancelled (${reason.message}), and not ended in ${CANCEL_GRACE_MS} ms`
    this.#timer = setTimeout(() => this.#abandon(new OutcomeUnknownError(why)), CANCEL_GRACE_MS)
    // More than once: what comes between two messages of a statement, the server forgets.
    this.#again = setInterval(() => this.#cancel(), CANCEL_AGAIN_MS)
    this.#cancel()
  }

  #cancel(): void {
    if (this.#isRunning) this.#runner.cancel().catch(() => undefined) // the grace bounds what it comes to
  }
}
