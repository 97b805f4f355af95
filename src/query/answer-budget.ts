import { ResultTooLargeError } from '../errors.ts'
import type { QueryLimits } from './query-limits.ts'

/**
 * Rows and bytes of all results of one answer. Names and short values cost more as JSON than on the socket, so
 * the socket's cap alone would not bound the answer.
 */
export class AnswerBudget {
  readonly #limits: QueryLimits
  #rows = 0
  #bytes = 0

  constructor(limits: QueryLimits) {
    this.#limits = limits
  }

  /** @throws {ResultTooLargeError} */
  takeRows(count: number): void {
    this.#rows += count
    if (this.#rows > this.#limits.maxRows)
      throw new ResultTooLargeError(`${this.#rows} rows, ${this.#limits.maxRows} are allowed`)
  }

  /** @throws {ResultTooLargeError} */
  counted(json: string): string {
    this.#bytes += Buffer.byteLength(json) + 1
    if (this.#bytes > this.#limits.maxResultBytes)
      throw new ResultTooLargeError(`over ${this.#limits.maxResultBytes} bytes as JSON`)
    return json
  }
}
