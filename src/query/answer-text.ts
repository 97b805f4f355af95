import type { Field, StatementResult } from '../connection/connection.ts'
import { InternalError, ResultTooLargeError } from '../errors.ts'
import { isFragment } from './answer-profile.ts'
import type { QueryLimits } from './query-limits.ts'

/** How to write the values of one column. */
interface Column {
  /** Where it is in the row. */
  readonly index: number
  /** What stands before the value: the name and a colon, or nothing. */
  readonly label: string
  /** Its values are JSON already. */
  readonly isFragment: boolean
}

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
  add(result: StatementResult, rowMode: 'object' | 'array'): string {
    this.#rows += result.rows.length
    if (this.#rows > this.#limits.maxRows)
      throw new ResultTooLargeError(`${this.#rows} rows, ${this.#limits.maxRows} are allowed`)
    const columns = columnsOf(result.fields, rowMode)
    const [open, close] = rowMode === 'object' ? '{}' : '[]'
    const rows = result.rows.map((row) => {
      if (!Array.isArray(row)) throw new InternalError('an answer was read with rows that are not arrays')
      return this.#counted(
        `${open}${columns.map((column) => written(row[column.index], column)).join(',')}${close}`,
      )
    })
    const fields = this.#counted(JSON.stringify(result.fields.map(described)))
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

/** Of columns with one name the last is written, as in an object that was assigned to from left to right. */
function columnsOf(fields: readonly Field[], rowMode: 'object' | 'array'): readonly Column[] {
  const lastOf = new Map(fields.map(({ name }, index) => [name, index]))
  return fields.flatMap(({ name, type }, index) => {
    if (rowMode === 'array') return { index, label: '', isFragment: isFragment(type) }
    if (lastOf.get(name) !== index) return []
    return { index, label: `${JSON.stringify(name)}:`, isFragment: isFragment(type) }
  })
}

function written(value: unknown, { label, isFragment }: Column): string {
  if (value === null || value === undefined) return `${label}null`
  return label + (isFragment && typeof value === 'string' ? value : JSON.stringify(value))
}

function described(field: Field) {
  return {
    name: field.name,
    dataTypeID: field.type,
    tableID: field.tableOid,
    columnID: field.columnNumber,
  }
}
