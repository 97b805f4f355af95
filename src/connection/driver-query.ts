import { CursorIterator } from './cursor-iterator.ts'
import { Query } from './driver.ts'

/**
 * The query object that users hold: postgres.js's own, less two of its traps (3.4.9). Its stack cache keeps
 * the text of every failed `unsafe` query for ever, and its cursor iterator replaces `resolve` and `reject`
 * at each step, so that nobody else can know when it ends.
 */
export class DriverQuery extends Query {
  override get origin(): string {
    return this.tagged ? super.origin : ''
  }

  override cursor(rows: unknown = 1, fn?: unknown): unknown {
    if (typeof rows === 'function' || typeof fn === 'function') return super.cursor(rows, fn)
    this.options.simple = false
    this.cursorRows = Number(rows)
    return { [Symbol.asyncIterator]: () => new CursorIterator(this) }
  }
}
