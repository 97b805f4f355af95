import { InvalidRequestError } from '../errors.ts'
import type { Field, Statement, StatementResult, TypeProfile } from './connection.ts'
import type { DriverColumn, DriverResult } from './driver.ts'
import { DriverQuery } from './driver-query.ts'
import { OneTripQuery } from './one-trip-query.ts'
import type { CommandTag } from './residue.ts'

/**
 * A query object of the driver for a statement of ours.
 * @param Kind the class it is made of; default: as its parameters need
 * @throws {InvalidRequestError} for what cannot be sent.
 */
export function queryOf(
  statement: Statement,
  profile: TypeProfile,
  Kind = kindFor(statement, profile),
): DriverQuery {
  const { text, params = [], multiple = false, prepare = true } = statement
  if (text.includes('\0')) throw new InvalidRequestError('A statement may not hold a NUL character.')
  if (multiple && params.length > 0)
    throw new InvalidRequestError('Several statements in one text take no parameters.')
  const query = new Kind([text], params, neverHandled, null, {
    prepare: prepare && !multiple,
    simple: multiple,
  })
  // It goes to the connection by hand: asking for its result must not send it again.
  query.executed = true
  if (statement.rowMode === 'array') query.isRaw = 'values'
  withBlanks(query, profile.blanks)
  return query
}

/** A profile that writes no values asks nothing of their types, and statements that are kept are asked about once. */
function kindFor(
  { params = [], prepare = true }: Statement,
  { serializers }: TypeProfile,
): typeof DriverQuery {
  const areTexts = () => params.every((value) => value === null || typeof value === 'string')
  return !prepare && Object.keys(serializers).length === 0 && areTexts() ? OneTripQuery : DriverQuery
}

function neverHandled(): void {}

/** Texts with blanks, by the text without: the driver remembers template arrays by identity, for ever. */
const blanked = new WeakMap<readonly string[], Map<number, readonly string[]>>()

/** Gives the query's text its profile's blanks. */
export function withBlanks(query: DriverQuery, blanks: number): void {
  if (blanks === 0 || query.options.simple) return
  if (!query.tagged) {
    query.strings = appended(query.strings, blanks)
    return
  }
  const known = blanked.get(query.strings) ?? new Map<number, readonly string[]>()
  const strings = known.get(blanks) ?? appended(query.strings, blanks)
  blanked.set(query.strings, known.set(blanks, strings))
  query.strings = strings
}

function appended(strings: readonly string[], blanks: number): readonly string[] {
  return strings.with(-1, strings.at(-1) + ' '.repeat(blanks))
}

/** @param value what the driver resolved: a result, or a list of them where the text held several statements */
export function resultOf(value: unknown, tag: CommandTag): StatementResult {
  const result = resultsOf(value).at(-1)
  return {
    rows: result ?? [],
    fields: (result?.columns ?? []).map(fieldOf),
    command: tag.command,
    rowCount: tag.rowCount,
  }
}

/** @param value as above */
export function resultsOf(value: unknown): readonly DriverResult[] {
  // Parse boundary: what postgres.js resolves a query with.
  return isResult(value) ? [value as DriverResult] : (value as DriverResult[])
}

function isResult(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'columns' in value
}

export function fieldOf(column: DriverColumn): Field {
  return { name: column.name, type: column.type, tableOid: column.table, columnNumber: column.number }
}
