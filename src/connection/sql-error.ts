import {
  InternalError,
  InvalidRequestError,
  LoginFailedError,
  ServerUnavailableError,
  SqlError,
  type SqlErrorFields,
  type SqlErrorInternals,
  StatementTimeoutError,
  TenantryError,
} from '../errors.ts'
import { PostgresError } from './driver.ts'

/** What an ErrorResponse says, as far as we decide by it. */
export interface ServerError {
  readonly severity: string
  readonly sqlstate: string
  readonly message: string
}

/** @param body of an ErrorResponse message */
export function readServerError(body: Buffer): ServerError {
  const fields = new Map<string, string>()
  for (const part of body.toString('utf8').split('\0')) if (part) fields.set(part.charAt(0), part.slice(1))
  return {
    severity: fields.get('V') ?? fields.get('S') ?? 'ERROR',
    sqlstate: fields.get('C') ?? 'XX000',
    message: fields.get('M') ?? 'no message',
  }
}

const QUERY_CANCELED = '57014'
/** SQLSTATE classes that say the server cannot, not that it will not: 08, 53 (full), 57 (starting, stopping), 58, XX. */
const UNAVAILABLE = /^(08|53|57|58|XX)/

/** PgBouncer 1.18 says all with one code; these are what Postgres, and later ones, would have said. */
const PROTOCOL_VIOLATION = '08P01'
const POOLER_WORDS: readonly (readonly [RegExp, string])[] = [
  [/^(SASL|password) authentication failed/, '28P01'],
  [/^no such user/, '28000'],
  [/^no such database/, '3D000'],
  [/^no more connections allowed/, '53300'],
]

/** The server's answer to a login, as an error of ours. */
export function loginError(error: ServerError, where: string): LoginFailedError | ServerUnavailableError {
  const message = `${where}: ${error.sqlstate}: ${error.message}`
  const meant = POOLER_WORDS.find(([words]) => words.test(error.message))?.[1]
  const sqlstate = (error.sqlstate === PROTOCOL_VIOLATION && meant) || error.sqlstate
  return UNAVAILABLE.test(sqlstate)
    ? new ServerUnavailableError(message, { sqlstate })
    : new LoginFailedError(message, { sqlstate })
}

/**
 * What the driver rejected a statement with, as an error of ours. Parameters and arguments do not travel on.
 * @param sawRows false: what is neither the server's nor ours arose while parameters were written
 */
export function statementError(error: unknown, sawRows: boolean): TenantryError {
  if (error instanceof TenantryError) return error
  if (error instanceof PostgresError) return sqlError(error)
  const cause = scrubbed(error)
  if (sawRows) return new InternalError('a row could not be read', { cause })
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'UNDEFINED_VALUE') return new InvalidRequestError('A parameter is undefined.')
  if (code === 'MAX_PARAMETERS_EXCEEDED')
    return new InvalidRequestError('A statement takes 65,533 parameters at most.')
  return new InvalidRequestError('A parameter cannot be written as its type.', { cause })
}

/** The server ended the statement because someone asked it to, or at its own time limit. */
export function isQueryCanceled(error: unknown): boolean {
  return error instanceof PostgresError && error.code === QUERY_CANCELED
}

/** 57014 that nobody here asked for is the server's own time limit; an operator's cancel says "user request". */
function sqlError(error: InstanceType<typeof PostgresError>): TenantryError {
  if (isQueryCanceled(error) && !error.message.includes('user request'))
    return new StatementTimeoutError(`57014: ${error.message}`)
  return new SqlError(sqlErrorFields(error), { internals: sqlErrorInternals(error) })
}

/** Our name → the driver's. */
const FIELDS = {
  severity: 'severity',
  detail: 'detail',
  hint: 'hint',
  position: 'position',
  where: 'where',
  schema: 'schema_name',
  table: 'table_name',
  column: 'column_name',
  dataType: 'data type_name',
  constraint: 'constraint_name',
} as const satisfies Partial<Record<keyof SqlErrorFields, string>>
const INTERNALS = {
  severity: 'severity_local',
  internalPosition: 'internal_position',
  internalQuery: 'internal_query',
  file: 'file',
  line: 'line',
  routine: 'routine',
} as const satisfies Record<keyof SqlErrorInternals, string>

function sqlErrorFields(error: InstanceType<typeof PostgresError>): SqlErrorFields {
  return { message: error.message, code: error.code ?? 'XX000', ...textsOf(error, FIELDS) }
}

function sqlErrorInternals(error: InstanceType<typeof PostgresError>): SqlErrorInternals {
  return textsOf(error, INTERNALS)
}

/** Those that the error has. */
function textsOf<N extends string>(
  error: Error,
  names: Readonly<Record<N, string>>,
): { [name in N]?: string } {
  const texts: { [name in N]?: string } = {}
  for (const name in names) {
    const value: unknown = Reflect.get(error, names[name])
    if (typeof value === 'string') texts[name] = value
  }
  return texts
}

/** The driver hangs these on every error, and no later hand can take them off the same object. */
const SECRET_PROPERTIES = ['parameters', 'args', 'types']

/** The same error, of the same class, without the statement's values. */
export function scrubbed(error: unknown): unknown {
  if (!(error instanceof Error) || !SECRET_PROPERTIES.some((name) => name in error)) return error
  const clean = new Error(error.message)
  Object.setPrototypeOf(clean, Object.getPrototypeOf(error))
  const kept = Object.entries(Object.getOwnPropertyDescriptors(error)).filter(
    ([name]) => !SECRET_PROPERTIES.includes(name),
  )
  return Object.defineProperties(clean, Object.fromEntries(kept))
}
