import type { StatementResult } from '../connection/connection.ts'
import { AnswerBudget } from './answer-budget.ts'
import type { QueryLimits } from './query-limits.ts'
import { fieldsJson, RowJson, type RowMode } from './row-json.ts'

/** Results as JSON text, within one budget of rows and bytes for all of them. */
export class AnswerText {
  readonly #budget: AnswerBudget

  constructor(limits: QueryLimits) {
    this.#budget = new AnswerBudget(limits)
  }

  /**
   * @param result with rows as arrays, read with `ANSWER_PROFILE`.
   * @throws {ResultTooLargeError}
   */
  add(result: StatementResult, rowMode: RowMode): string {
    this.#budget.takeRows(result.rows.length)
    const json = new RowJson(result.fields, rowMode)
    const rows = result.rows.map((row) => this.#budget.counted(json.write(row)))
    const fields = this.#budget.counted(fieldsJson(result.fields))
    const command = JSON.stringify(result.command)
    return `{"fields":${fields},"rows":[${rows.join(',')}],"rowCount":${result.rowCount},"command":${command}}`
  }
}
