import { CancelledError } from '../errors.ts'
import { CLOSE } from './driver.ts'
import type { DriverQuery } from './driver-query.ts'

/**
 * Stands before a query's row callbacks (`forEach`, `cursor`). In the driver, one that throws leaves its row
 * counter behind and may send a Sync for each row, one that rejects at the last batch is an unhandled
 * rejection, and one that resolves after the connection has ended writes to a socket that is gone.
 */
export class GuardedCallbacks {
  #failure: { readonly error: unknown } | undefined
  /** Of the cursor callback that is at work. */
  #pending: Promise<void> = Promise.resolve()
  /** Ends the cursor though its callback is still at work; undefined while none is. */
  #stop: (() => void) | undefined
  readonly #query: DriverQuery
  readonly #onFailure: () => void

  /** @param onFailure asks the server to stop sending rows. */
  constructor(query: DriverQuery, onFailure: () => void) {
    this.#query = query
    this.#onFailure = onFailure
    const { cursorFn, forEachFn } = query
    if (cursorFn) query.cursorFn = (rows) => this.#takeBatch(cursorFn, rows)
    if (forEachFn) query.forEachFn = (row, result) => this.#takeRow(forEachFn, row, result)
  }

  /** Why the user's callback, or whoever stopped it, ended the query. */
  get failure(): { readonly error: unknown } | undefined {
    return this.#failure
  }

  /** A cursor that waits for its callback takes no cancel from the server: it is closed here. */
  stop(reason: Error = new CancelledError('the cursor was cancelled')): void {
    if (!this.#stop) return
    this.#failure ??= { error: reason }
    this.#stop()
  }

  /** Resolves when the last callback has; rejects with what any of them threw. */
  async finished(): Promise<void> {
    await this.#pending
    if (this.#failure) throw this.#failure.error
  }

  #takeRow(callback: (row: unknown, result: unknown) => unknown, row: unknown, result: unknown): void {
    if (this.#failure) return
    try {
      callback(row, result)
    } catch (error) {
      this.#fail(error)
      this.#onFailure()
    }
  }

  /** Never throws and never rejects; the driver reads CLOSE as the wish to end. */
  #takeBatch(callback: (rows: unknown) => unknown, rows: unknown): Promise<unknown> {
    if (this.#failure) return Promise.resolve(this.#closed())
    const stopped = new Promise<unknown>((resolve) => {
      this.#stop = () => resolve(CLOSE)
    })
    const taken = (async () => callback(rows))()
      .catch((error: unknown) => {
        this.#fail(error)
        return CLOSE
      })
      .finally(() => {
        this.#stop = undefined
      })
    this.#pending = Promise.race([taken, stopped]).then(() => {})
    return Promise.race([taken, stopped]).then((answer) => (answer === CLOSE ? this.#closed() : answer))
  }

  /**
   * The driver sends a Close with its Sync now. To an error after that, as of a cancel that comes meanwhile, it would
   * send a further Sync while the query has a cursor: its answer would end the next statement before its rows.
   */
  #closed(): typeof CLOSE {
    delete this.#query.cursorFn
    return CLOSE
  }

  #fail(error: unknown): void {
    this.#failure ??= { error }
  }
}
