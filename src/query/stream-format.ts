import type { Field, TypeProfile } from '../connection/connection.ts'
import type { RowBatch, StreamEnd } from '../connection/row-stream.ts'
import { InternalError } from '../errors.ts'
import { ANSWER_PROFILE } from './answer-profile.ts'
import { fieldsJson, RowJson, type RowMode } from './row-json.ts'

/** Writes one statement's rows as text, while they come. */
export interface StreamFormat {
  /** How the values of its rows are read. */
  readonly profile: TypeProfile
  batch(batch: RowBatch): string
  /** What comes after the last row. */
  end(end: StreamEnd): string
}

const LINE_END = /[\r\n]/
const LINE_ENDS = /[\r\n]+/g

/** Lines of JSON: each row as in a JSON answer, then one that says how it ended. */
export class NdjsonFormat implements StreamFormat {
  readonly profile = ANSWER_PROFILE
  readonly #rowMode: RowMode
  #rows: RowJson | undefined

  constructor(rowMode: RowMode) {
    this.#rowMode = rowMode
  }

  batch({ fields, rows }: RowBatch): string {
    this.#rows ??= new RowJson(fields, this.#rowMode)
    let text = ''
    for (const row of rows) text += `${onOneLine(this.#rows.write(row))}\n`
    return text
  }

  end({ fields, rowCount, command }: StreamEnd): string {
    return `{"end":{"fields":${fieldsJson(fields)},"rowCount":${rowCount},"command":${JSON.stringify(command)}}}\n`
  }
}

/** A `json` value keeps the blanks it was written with; in JSON, line ends outside of texts are nothing else. */
function onOneLine(json: string): string {
  return LINE_END.test(json) ? json.replaceAll(LINE_ENDS, ' ') : json
}

/** Every value as the exact text of Postgres. One blank more than the profile of JSON answers. */
const TEXT_PROFILE: TypeProfile = { ...ANSWER_PROFILE, parsers: {}, blanks: ANSWER_PROFILE.blanks + 1 }

/** RFC 4180, with a line of names first. NULL is nothing at all, and the empty text is `""`. */
export class CsvFormat implements StreamFormat {
  readonly profile = TEXT_PROFILE
  #hasBegun = false

  batch({ fields, rows }: RowBatch): string {
    let text = this.#head(fields)
    for (const row of rows) text += line(row)
    return text
  }

  end({ fields }: StreamEnd): string {
    return this.#head(fields)
  }

  /** A statement that returns no columns has no line of names either. */
  #head(fields: readonly Field[]): string {
    if (this.#hasBegun || fields.length === 0) return ''
    this.#hasBegun = true
    return line(fields.map(({ name }) => name))
  }
}

function line(values: RowBatch['rows'][number]): string {
  return `${Object.values(values).map(cell).join(',')}\r\n`
}

function cell(value: unknown): string {
  if (value === null) return ''
  if (typeof value !== 'string') throw new InternalError('a row was read with values that are not text')
  return value === '' || /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value
}
