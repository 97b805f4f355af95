import type { HonoRequest } from 'hono'
import type { z } from 'zod'
import { CancelledError, InvalidRequestError } from '../errors.ts'

const MAX_FAULTS = 10
/** Names that nobody knows are told with their fault, and the sender chose their length. */
const MAX_DETAIL_LENGTH = 500

/**
 * The request's body, checked; no body is `{}`. No content type is asked for: clients that send none mean JSON.
 * @throws {InvalidRequestError} with every fault by its place; values are not repeated.
 */
export async function jsonBody<S extends z.ZodType>(request: HonoRequest, schema: S): Promise<z.output<S>> {
  return checked(parsed(await bodyText(request)), schema)
}

/**
 * As `jsonBody`, for the query string: all values text.
 * @param repeatable names that may come more than once, and are lists; every other name comes once.
 */
export function queryString<S extends z.ZodType>(
  request: HonoRequest,
  schema: S,
  repeatable: readonly string[] = [],
): z.output<S> {
  const isList = (name: string) => repeatable.includes(name)
  const entries = Object.entries(request.queries())
  const repeated = entries.find(([name, values]) => values.length > 1 && !isList(name))
  if (repeated)
    throw new InvalidRequestError(`The query parameter ${repeated[0].slice(0, 60)} is given twice.`)
  const given = entries.map(([name, values]) => [name, isList(name) ? values : values[0]])
  return checked(Object.fromEntries(given), schema)
}

/** @throws {CancelledError} where the client went away in the middle of it. */
export async function bodyText(request: HonoRequest): Promise<string> {
  try {
    return await request.text()
  } catch (cause) {
    throw new CancelledError('the body ended early', { cause })
  }
}

/** @throws {InvalidRequestError} */
export function parsed(text: string): unknown {
  try {
    return text === '' ? {} : JSON.parse(text)
  } catch {
    // The parser's own message repeats the text.
    throw new InvalidRequestError('The body is not JSON.')
  }
}

/** @throws {InvalidRequestError} as `jsonBody`. */
export function checked<S extends z.ZodType>(value: unknown, schema: S): z.output<S> {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const faults = result.error.issues.slice(0, MAX_FAULTS).map(({ path, message }) => {
    return path.length === 0 ? message : `${path.join('.')}: ${message}`
  })
  const detail = faults.join('; ')
  throw new InvalidRequestError(
    detail.length > MAX_DETAIL_LENGTH ? `${detail.slice(0, MAX_DETAIL_LENGTH)}…` : detail,
  )
}
