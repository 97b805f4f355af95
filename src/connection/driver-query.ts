import { CursorIterator } from './cursor-iterator.ts'
import { Query } from './driver.ts'

/**
 * The query object that users hold: postgres.js's own, less two of its traps (3.4.9). Its stack cache keeps
 * the text of every failed `unsafe` query for ever, and its cursor iterator replaces `resolve` and `reject`
 * at each step, so that nobody else can know when it ends.
 */
export class DriverQuery extends Query {
  #retried: unknown

  override get origin(): string {
    return this.tagged ? super.origin : ''
  }

  /** What prepares the same statement once more, and describes it, without running it. */
  description(): DriverQuery {
    const query = new DriverQuery(this.strings, this.args, this.handler, null, { ...this.options })
    return Object.assign(query, { tagged: this.tagged, onlyDescribe: true, executed: true })
  }

  /** Before it is sent again: the driver writes the texts of the parameters over their values, and would write those. */
  forgetParameters(): void {
    this.parameters = undefined
  }

  /** Set by the driver before it sends a statement again, with the same fault. */
  set retried(error: unknown) {
    this.#retried = error
    this.forgetParameters()
  }

  get retried(): unknown {
    return this.#retried
  }

  override cursor(rows: unknown = 1, fn?: unknown): unknown {
    if (typeof rows === 'function' || typeof fn === 'function') return super.cursor(rows, fn)
    this.options.simple = false
    this.cursorRows = Number(rows)
    return { [Symbol.asyncIterator]: () => new CursorIterator(this) }
  }
}
