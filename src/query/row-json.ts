import type { Field } from '../connection/connection.ts'
import { InternalError } from '../errors.ts'
import { isFragment, JsonText } from './answer-profile.ts'

/** How to write the values of one column. */
interface Column {
  /** Where it is in the row. */
  readonly index: number
  /** What stands before the value: the name and a colon, or nothing. */
  readonly label: string
  /** Its values are JSON already. */
  readonly isFragment: boolean
}

export type RowMode = 'object' | 'array'

/** Rows of one result as JSON text. They come as arrays. */
export class RowJson {
  readonly #columns: readonly Column[]
  readonly #open: string
  readonly #close: string

  /** @param isJson whether a type's values are JSON text: by default those that `ANSWER_PROFILE` reads so. */
  constructor(fields: readonly Field[], rowMode: RowMode, isJson: (type: number) => boolean = isFragment) {
    this.#columns = columnsOf(fields, rowMode, isJson)
    this.#open = rowMode === 'object' ? '{' : '['
    this.#close = rowMode === 'object' ? '}' : ']'
  }

  write(row: unknown): string {
    if (!Array.isArray(row)) throw new InternalError('an answer was read with rows that are not arrays')
    const values = this.#columns.map((column) => written(row[column.index], column))
    return `${this.#open}${values.join(',')}${this.#close}`
  }
}

/** The columns of a result, as every answer tells them. */
export function fieldsJson(fields: readonly Field[]): string {
  return JSON.stringify(
    fields.map(({ name, type, tableOid, columnNumber }) => ({
      name,
      dataTypeID: type,
      tableID: tableOid,
      columnID: columnNumber,
    })),
  )
}

/** Of columns with one name the last is written, as in an object that was assigned to from left to right. */
function columnsOf(
  fields: readonly Field[],
  rowMode: RowMode,
  isJson: (type: number) => boolean,
): readonly Column[] {
  const lastOf = new Map(fields.map(({ name }, index) => [name, index]))
  return fields.flatMap(({ name, type }, index) => {
    if (rowMode === 'array') return { index, label: '', isFragment: isJson(type) }
    if (lastOf.get(name) !== index) return []
    return { index, label: `${JSON.stringify(name)}:`, isFragment: isJson(type) }
  })
}

function written(value: unknown, { label, isFragment }: Column): string {
  if (value === null || value === undefined) return `${label}null`
  if (value instanceof JsonText) return label + value.text
  return label + (isFragment && typeof value === 'string' ? value : JSON.stringify(value))
}
