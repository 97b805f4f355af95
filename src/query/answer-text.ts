import type { StatementResult } from '../connection/connection.ts'
import { ResultTooLargeError } from '../errors.ts'
import type { QueryLimits } from './query-limits.ts'
import { fieldsJson, RowJson, type RowMode } from './row-json.ts'

/**
 * Results as JSON text, within one budget of rows and bytes for all of them. Names and short values cost more
 * as JSON than on the socket, so the socket's cap alone would not bound the answer.
 */
export class AnswerText {
  readonly #limits: QueryLimits
  #rows = 0
  #bytes = 0

  constructor(limits: QueryLimits) {
    this.#limits = limits
  }

  /**
   * @param result with rows as arrays, read with `ANSWER_PROFILE`.
   * @throws {ResultTooLargeError}
   */
  add(result: StatementResult, rowMode: RowMode): string {
    this.#rows += result.rows.length
    if (this.#rows > this.#limits.maxRows)
      throw new ResultTooLargeError(`${this.#rows} rows, ${this.#limits.maxRows} are allowed`)
    const json = new RowJson(result.fields, rowMode)
    const rows = result.rows.map((row) => this.#counted(json.write(row)))
    const fields = this.#counted(fieldsJson(result.fields))
    const command = JSON.stringify(result.command)
    return `{"fields":${fields},"rows":[${rows.join(',')}],"rowCount":${result.rowCount},"command":${command}}`
  }

  #counted(json: string): string {
    this.#bytes += Buffer.byteLength(json) + 1
    if (this.#bytes > this.#limits.maxResultBytes)
      throw new ResultTooLargeError(`over ${this.#limits.maxResultBytes} bytes as JSON`)
    return json
  }
}
