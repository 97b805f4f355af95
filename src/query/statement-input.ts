import type { AnswerMeter, Statement } from '../connection/connection.ts'
import { InvalidRequestError } from '../errors.ts'
import type { Caller } from '../resolve/caller.ts'
import { ANSWER_PROFILE } from './answer-profile.ts'
import type { QueryLimits } from './query-limits.ts'

/** Dimensions that Postgres permits. */
const MAX_DIMENSIONS = 6

/** One statement as a caller writes it; parameters are JSON values. */
export interface StatementInput {
  readonly sql: string
  readonly params: readonly unknown[]
}

/**
 * Rows come as arrays of `ANSWER_PROFILE` values: two columns of one name are both there.
 * @throws {InvalidRequestError} a parameter cannot be written without loss.
 */
export function statementOf(
  input: StatementInput,
  caller: Caller,
  limits: QueryLimits,
  meter: AnswerMeter,
): Statement {
  return {
    text: input.sql,
    params: input.params.map((value, index) => parameterText(value, index + 1)),
    rowMode: 'array',
    profile: ANSWER_PROFILE,
    prepare: caller.trust === 'application',
    maxBytes: limits.maxResultBytes,
    maxRows: limits.maxRows,
    meter,
  }
}

/**
 * A JSON value as Postgres text, to be read by whatever type the statement gives its placeholder: a string is
 * that text already, null is NULL, an object is its JSON, an array is an array literal.
 * @param position counted from 1, for the error's text.
 * @throws {InvalidRequestError} the value cannot be written without loss.
 */
function parameterText(value: unknown, position: number): string | null {
  if (value === null) return null
  return Array.isArray(value) ? arrayText(value, position, 1) : scalarText(value, position)
}

function scalarText(value: unknown, position: number): string {
  if (typeof value === 'string') return value
  if (Number.isInteger(value) && !Number.isSafeInteger(value))
    throw new InvalidRequestError(
      `Parameter ${position} is beyond the integers that JSON numbers hold exactly: send it as a string.`,
    )
  return jsonText(value, position)
}

function jsonText(value: unknown, position: number): string {
  const finite = (_name: string, part: unknown) => {
    if (typeof part !== 'number' || Number.isFinite(part)) return part
    // Written again it would be null.
    throw new InvalidRequestError(`Parameter ${position} holds a number beyond what JSON numbers can.`)
  }
  try {
    return JSON.stringify(value, finite)
  } catch (error) {
    if (error instanceof InvalidRequestError) throw error
    // Nested deeper than the stack is high: the only reason that parsed JSON cannot be written again.
    throw new InvalidRequestError(`Parameter ${position} is nested too deeply.`)
  }
}

function arrayText(values: readonly unknown[], position: number, depth: number): string {
  if (depth > MAX_DIMENSIONS)
    throw new InvalidRequestError(`Parameter ${position} has more than ${MAX_DIMENSIONS} array dimensions.`)
  const elements = values.map((value) => {
    if (value === null) return 'NULL'
    if (Array.isArray(value)) return arrayText(value, position, depth + 1)
    return `"${scalarText(value, position).replace(/["\\]/g, '\\$&')}"`
  })
  return `{${elements.join(',')}}`
}
