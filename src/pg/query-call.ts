import pg, { type CustomTypesConfig, type QueryResult } from 'pg'
import { UnsupportedError } from '../errors.ts'

export type Answered = QueryResult | QueryResult[]
export type QueryCallback = (error: Error | null, result?: Answered) => void

/** What `query()` was asked for, in whichever of its forms. */
export interface QueryCall {
  readonly text: string | undefined
  /** As given: pg looks at them when their turn comes. */
  readonly values: unknown
  /** Of a prepared statement; it is then known by it on the same client. */
  readonly name: string | undefined
  readonly rowMode: string | undefined
  readonly types: CustomTypesConfig | undefined
  /** One statement, whatever the text says. */
  readonly isExtended: boolean
  /** Milliseconds, the wait for its turn included. */
  readonly timeoutMs: number | undefined
  readonly callback: QueryCallback | undefined
}

/** What speaks the protocol itself: no lease can be lent to that. */
export interface Submittable {
  submit: unknown
  /** Where pg tells it of errors, which its user reads from it. */
  handleError?: (error: Error) => void
}

export function isSubmittable(query: unknown): query is Submittable {
  return (
    typeof query === 'object' && query !== null && 'submit' in query && typeof query.submit === 'function'
  )
}

/**
 * Tells whoever waits for a submittable that it is refused, where they look for its errors: the callback, or its own
 * reader. It is handed back, as by pg.
 * @throws {UnsupportedError} where nobody would hear of it.
 */
export function refuse(query: Submittable, callback: unknown): unknown {
  const error = new UnsupportedError(nameOf(query), ALTERNATIVE)
  if (typeof callback === 'function') process.nextTick(callback, error)
  else if (query.handleError && !(query instanceof pg.Query))
    process.nextTick(() => query.handleError?.(error))
  else throw error
  return query
}

/** The packages whose objects people hand to `query()`, by the name of the class. */
const PACKAGES: Readonly<Record<string, string>> = {
  Cursor: 'pg-cursor',
  QueryStream: 'pg-query-stream',
  Query: 'a Query object of pg',
  CopyToQueryStream: 'pg-copy-streams',
  CopyStreamQuery: 'pg-copy-streams',
}
const ALTERNATIVE =
  'router.sql(id) streams: .cursor(), .forEach() and COPY by .readable() and .writable(), as postgres.js has them; or read in pages by LIMIT'

/**
 * @throws {TypeError} as pg does at once: for no query, and for a callback that is none
 * @throws {UnsupportedError} for binary answers
 */
export function queryCall(query: unknown, values: unknown, callback: unknown): QueryCall {
  if (query === null || query === undefined)
    throw new TypeError('Client was passed a null or undefined query')
  // Parse boundary: pg takes what it finds.
  const config = (typeof query === 'string' ? { text: query } : query) as Record<string, unknown>
  if (config['binary'] === true)
    throw new UnsupportedError(
      'a binary answer',
      'leave binary out: values come as text and are parsed as pg does',
    )
  const isCallback = typeof values === 'function'
  const asked = callback ?? (isCallback ? values : config['callback'])
  if (asked && typeof asked !== 'function') throw new TypeError('callback is not a function')
  const timeout = Number(config['query_timeout'] ?? 0)
  return {
    text: textOr(config['text']),
    values: isCallback || !values ? config['values'] : values,
    name: textOr(config['name']) || undefined,
    rowMode: textOr(config['rowMode']),
    types: config['types'] as CustomTypesConfig | undefined,
    isExtended: config['queryMode'] === 'extended' || Boolean(config['rows']),
    timeoutMs: timeout > 0 ? timeout : undefined,
    callback: asked ? (asked as QueryCallback) : undefined,
  }
}

function textOr(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function nameOf(submittable: object): string {
  const { name } = submittable.constructor
  const what = PACKAGES[name]
  return what ? `${what} over a TenantPool` : `a ${name} that submits itself over a TenantPool`
}
