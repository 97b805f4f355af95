import { CLOSE, type QueryInternals } from './driver.ts'

type Step = IteratorResult<unknown, undefined>

/** Batches of a cursor, one for each `next()`; leaving early closes the cursor and waits for its end. */
export class CursorIterator implements AsyncIterator<unknown, undefined> {
  readonly #query: QueryInternals
  /** Settles when the cursor has ended; undefined until the first `next()`, as queries are lazy. */
  #ended: Promise<void> | undefined
  #isClosed = false
  /** Lets the driver go on after a batch. */
  #proceed: ((answer?: object) => void) | undefined
  #deliver: ((step: Step) => void) | undefined
  /** Calls are served one after another. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(query: QueryInternals) {
    this.#query = query
  }

  next(): Promise<Step> {
    const step = this.#last.then(() => this.#step())
    this.#last = step.catch(() => {})
    return step
  }

  async return(): Promise<Step> {
    this.#isClosed = true
    this.#proceed?.(CLOSE)
    await this.#ended?.catch(() => {})
    return { done: true, value: undefined }
  }

  async #step(): Promise<Step> {
    if (this.#isClosed) return { done: true, value: undefined }
    const batch = new Promise<Step>((resolve) => {
      this.#deliver = resolve
    })
    if (this.#ended) this.#proceed?.()
    else this.#ended = this.#start()
    const end = this.#ended.then((): Step => ({ done: true, value: undefined }))
    return Promise.race([batch, end])
  }

  #start(): Promise<void> {
    this.#query.cursorFn = (rows) => this.#take(rows)
    // `then` sends the query.
    return this.#query.then(() => {
      this.#isClosed = true
    })
  }

  /** Called by the driver with a batch; it asks for the next when the answer resolves. */
  #take(rows: unknown): Promise<object | undefined> | object {
    if (this.#isClosed) return CLOSE
    this.#deliver?.({ done: false, value: rows })
    return new Promise((resolve) => {
      this.#proceed = resolve
    })
  }
}
