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

/** A longer list is imported in parts. */
const MAX_ROWS = 10_000

/** @throws {InvalidRequestError} where it has too many rows. Every other fault is in the answer. */
export async function readList(format: ListFormat, text: string): Promise<RawList> {
  const list = format === 'csv' ? await readCsv(text) : readJsonLines(text)
  if (list.rows.length > MAX_ROWS)
    throw new InvalidRequestError(`A list may have ${MAX_ROWS} rows; this one has ${list.rows.length}.`)
  if (list.rows.length > 0 || list.faults.length > 0) return list
  return { rows: [], faults: [{ line: 1, what: 'there is no row in the list' }] }
}

async function readCsv(text: string): Promise<RawList> {
  // Loaded with the first list: whoever serves tenants needs none of it.
  const { parse } = await import('csv-parse/sync')
  const faults: RowFault[] = []
  const records = parse(text, {
    bom: true,
    info: true,
    relax_column_count: true,
    skip_empty_lines: true,
    trim: true,
    skip_records_with_error: true,
    // Not the parser's message, which repeats a part of the text.
    on_skip: (error) => {
      const line = Number(error?.['lines'] ?? 1)
      if (faults.at(-1)?.line !== line) faults.push({ line, what: `the quotes are wrong (${error?.code})` })
    },
  }) as unknown as readonly {
    readonly record: readonly string[]
    readonly info: { readonly lines: number }
  }[] // as `info` makes it
  const [head, ...body] = records
  const names = head?.record ?? []
  if (!names.includes('id') || !names.includes('dsn')) {
    // Whatever stands there may be a tenant's row.
    return {
      rows: [],
      faults: [{ line: 1, what: 'it must name the columns, id and dsn among them' }, ...faults],
    }
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
    const object = objectIn(line)
    if (object === undefined) faults.push({ line: index + 1, what: 'it is not a JSON object' })
    else rows.push({ line: index + 1, cells: new Map(Object.entries(object)) })
  }
  for (const { line, cells } of rows) {
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
