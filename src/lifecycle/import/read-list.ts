import { InvalidRequestError } from '../../errors.ts'
import { unknownColumn } from './import-row.ts'
import type { RowFault } from './list-faults.ts'

export const LIST_FORMATS = ['csv', 'jsonl'] as const
export type ListFormat = (typeof LIST_FORMATS)[number]

/** A row as it is written: texts by column in CSV, values by name in JSON. */
export interface RawRow {
  readonly line: number
  readonly cells: ReadonlyMap<string, unknown>
}

export interface RawList {
  readonly rows: readonly RawRow[]
  readonly faults: readonly RowFault[]
}

/** What stands for bytes that are no letter in UTF-8, and the half of one in UTF-16. */
const NOT_UTF8 = /[\uFFFD\0]/

/** A longer list is imported in parts. */
const MAX_ROWS = 10_000
/** Of labels as many as a tenant may need, and all the others. */
const MAX_COLUMNS = 250
/** Places with wrong quotes that are told: the parser takes 0.3 ms for each. */
const MAX_QUOTE_FAULTS = 1_000

/** @throws {InvalidRequestError} where it has too many rows. Every other fault is in the answer. */
export async function readList(format: ListFormat, text: string): Promise<RawList> {
  const foreign = text.split('\n').findIndex((line) => NOT_UTF8.test(line))
  // Read on, every such letter of a password would be another one.
  if (foreign !== -1)
    return { rows: [], faults: [{ line: foreign + 1, what: 'it is not UTF-8: save it as "CSV UTF-8"' }] }
  const list = format === 'csv' ? await readCsv(text) : readJsonLines(text)
  if (list.rows.length > 0 || list.faults.length > 0) return list
  return { rows: [], faults: [{ line: 1, what: 'there is no row in the list' }] }
}

function refuseMore(rows: number): void {
  if (rows > MAX_ROWS) throw new InvalidRequestError(`A list may have ${MAX_ROWS} rows; this one has more.`)
}

async function readCsv(text: string): Promise<RawList> {
  // Loaded with the first list: whoever serves tenants needs none of it.
  const { parse } = await import('csv-parse/sync')
  const quotes: QuoteFault[] = []
  let skipped = 0
  const records = parse(text, {
    bom: true,
    to: MAX_ROWS + 2, // the names, and one row too many
    delimiter: delimiterOf(text),
    info: true,
    relax_column_count: true,
    skip_empty_lines: true,
    trim: true,
    skip_records_with_error: true,
    // Not the parser's message, which repeats a part of the text.
    on_skip: (error) => {
      const line = Number(error?.['lines'] ?? 1)
      skipped += 1
      if (skipped > MAX_QUOTE_FAULTS)
        throw new InvalidRequestError(
          `The quotes are wrong in more than ${MAX_QUOTE_FAULTS} places, the first in line ${quotes[0]?.line ?? 1}.`,
        )
      if (quotes.at(-1)?.line !== line) quotes.push({ line, code: error?.code })
    },
  }) as unknown as readonly CsvRecord[] // as `info` makes it
  const [head, ...body] = records
  refuseMore(body.length)
  return rowsUnder(head?.record ?? [], body, faultsOfQuotes(quotes))
}

interface QuoteFault {
  readonly line: number
  readonly code: string | undefined
}

interface CsvRecord {
  readonly record: readonly string[]
  readonly info: { readonly lines: number }
}

function rowsUnder(
  head: readonly string[],
  body: readonly CsvRecord[],
  before: readonly RowFault[],
): RawList {
  const names = head.map((name) => name.toLowerCase())
  const faults = [...before]
  if (names.length > MAX_COLUMNS) {
    const what = `it names ${names.length} columns, and a list may have ${MAX_COLUMNS}`
    return { rows: [], faults: [{ line: 1, what }, ...faults] }
  }
  if (!names.includes('id') || !(names.includes('dsn') || names.includes('host'))) {
    // Whatever stands there may be a tenant's row.
    const what = 'it must name the columns, id and dsn among them, or id, host, database, user and password'
    return { rows: [], faults: [{ line: 1, what }, ...faults] }
  }
  faults.push(...faultsOfNames(names).map((what) => ({ line: 1, what })))
  const rows: RawRow[] = []
  for (const { record, info } of body) {
    if (record.length !== names.length) {
      faults.push({
        line: info.lines,
        what: `it has ${record.length} cells, and line 1 names ${names.length} columns`,
      })
    } else {
      rows.push({ line: info.lines, cells: new Map(names.map((name, index) => [name, record[index]])) })
    }
  }
  return { rows, faults }
}

/** Of those that spreadsheets write: a comma, a semicolon where commas stand in numbers, a tab where it is pasted. */
const DELIMITERS = [',', ';', '\t'] as const

/** The one that the names of the columns, which hold none, are divided by. */
function delimiterOf(text: string): string {
  const [head = ''] = text.trimStart().split('\n', 1)
  const count = (delimiter: string) => head.split(delimiter).length
  return DELIMITERS.reduce((best, next) => (count(next) > count(best) ? next : best))
}

const NEVER_CLOSED = 'CSV_QUOTE_NOT_CLOSED'

/** One that is never closed is told where it is the only fault: else it follows from another. */
function faultsOfQuotes(found: readonly QuoteFault[]): RowFault[] {
  const others = found.filter(({ code }) => code !== NEVER_CLOSED)
  return (others.length > 0 ? others : found).map(({ line, code }) => ({
    line,
    what:
      code === NEVER_CLOSED
        ? 'the quotes are wrong: a cell that begins with " ends with none'
        : 'the quotes are wrong: a cell that holds " stands in quotes, with each " in it written twice',
  }))
}

function faultsOfNames(names: readonly string[]): string[] {
  const unknown = names.map((name, index) => unknownColumn(name, `column ${index + 1}`))
  const twice = new Set(
    names.filter((name, index) => names.indexOf(name) !== index && !unknownColumn(name, '')),
  )
  return [
    ...unknown.filter((what) => what !== undefined),
    ...[...twice].map((name) => `there are two columns ${name}`),
  ]
}

function readJsonLines(text: string): RawList {
  const rows: RawRow[] = []
  const faults: RowFault[] = []
  for (const [index, line] of text
    .replace(/^\uFEFF/, '')
    .split('\n')
    .entries()) {
    if (line.trim() === '') continue
    refuseMore(rows.length + faults.length + 1)
    const object = objectIn(line)
    if (object === undefined) faults.push({ line: index + 1, what: 'it is not a JSON object' })
    else rows.push({ line: index + 1, cells: new Map(Object.entries(object)) })
  }
  for (const { line, cells } of rows) {
    if (cells.size > MAX_COLUMNS) {
      faults.push({ line, what: `it has ${cells.size} fields, and may have ${MAX_COLUMNS}` })
      continue
    }
    const unknown = [...cells.keys()]
      .map((name) => unknownColumn(name, 'a field'))
      .filter((what) => what !== undefined)
    faults.push(...unknown.map((what) => ({ line, what })))
  }
  return { rows, faults }
}

function objectIn(line: string): object | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined
  } catch {
    return undefined // the parser's message repeats the text
  }
}
