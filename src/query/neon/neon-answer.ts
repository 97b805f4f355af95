import type { Field, StatementResult, TypeProfile } from '../../connection/connection.ts'
import type { FieldStorage } from '../../connection/row-description.ts'
import { AnswerBudget } from '../answer-budget.ts'
import { ANSWER_PROFILE, isFragment } from '../answer-profile.ts'
import type { QueryLimits } from '../query-limits.ts'
import { RowJson } from '../row-json.ts'

/** Every value as the exact text of Postgres, arrays of the database's own types too. */
const TEXT_PROFILE: TypeProfile = { parsers: {}, serializers: {}, blanks: 0 }
const never = () => false

/** The results of one request as the protocol of `@neondatabase/serverless` has them, within one budget. */
export class NeonAnswer {
  /** How rows must be read, as arrays. */
  readonly profile: TypeProfile
  readonly #isText: boolean
  readonly #budget: AnswerBudget

  /** @param isText values as Postgres text; else booleans, small numbers, JSON and arrays as JSON. */
  constructor(limits: QueryLimits, isText: boolean) {
    this.profile = isText ? TEXT_PROFILE : ANSWER_PROFILE
    this.#isText = isText
    this.#budget = new AnswerBudget(limits)
  }

  /**
   * @param storage of each field
   * @throws {ResultTooLargeError}
   */
  add(
    { fields, rows, command, rowCount }: StatementResult,
    storage: readonly FieldStorage[],
    rowAsArray: boolean,
  ): string {
    this.#budget.takeRows(rows.length)
    const json = new RowJson(fields, rowAsArray ? 'array' : 'object', this.#isText ? never : isFragment)
    const texts = rows.map((row) => this.#budget.counted(json.write(row)))
    const head = this.#budget.counted(JSON.stringify(fields.map((field, at) => fieldOf(field, storage[at]))))
    const tag = JSON.stringify(command.split(' ', 1)[0])
    return `{"fields":${head},"rows":[${texts.join(',')}],"command":${tag},"rowCount":${rowCount},"rowAsArray":${rowAsArray}}`
  }
}

function fieldOf({ name, type, tableOid, columnNumber }: Field, storage: FieldStorage | undefined) {
  return {
    name,
    dataTypeID: type,
    tableID: tableOid,
    columnID: storage?.columnNumber ?? columnNumber,
    dataTypeSize: storage?.typeSize ?? -1,
    dataTypeModifier: storage?.typeModifier ?? -1,
    format: 'text',
  }
}
