import {
  type ErrorCode,
  LoginFailedError,
  PasswordUnavailableError,
  ServerUnavailableError,
  TenantryError,
} from '../../errors.ts'

/**
 * What a failed opening says, and about whom:
 * - `unreachable`: there is no server at the address, for anyone.
 * - `unanswered`: the server hung up, or said nothing in time. One database alone can do that, while it is copied or dropped.
 * - `starting`: the server is there, and is starting or stopping.
 * - `full`: no place is left on the server; `tenant-full`: in the role's or database's own `CONNECTION LIMIT`.
 * - `auth`: the password is not the role's (any more).
 * - `tenant`: this route leads nowhere until somebody changes something: no such database, no right, not its own.
 * - `unasked`: this process could not even try for this tenant: no password to be had, or not to be read. Says nothing of the server.
 * - `resource`: the server answers and cannot: disk or memory full, a defect of its own.
 * - `interrupted`: this one attempt was ended by somebody. Says nothing of the next.
 * - `ours`: the fault is in this process.
 */
export type FailureClass =
  | 'unreachable'
  | 'unanswered'
  | 'starting'
  | 'full'
  | 'tenant-full'
  | 'auth'
  | 'tenant'
  | 'unasked'
  | 'resource'
  | 'interrupted'
  | 'ours'

/** What the system says where no address, no route or no listener is there. */
const UNREACHABLE: ReadonlySet<unknown> = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENETDOWN',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENOENT', // of a Unix socket
])
/** Of this process: no descriptor, no port, no memory left. */
const EXHAUSTED: ReadonlySet<unknown> = new Set(['EMFILE', 'ENFILE', 'EADDRNOTAVAIL', 'ENOBUFS', 'ENOMEM'])

const CANNOT_CONNECT_NOW = '57P03'
const TOO_MANY_CONNECTIONS = '53300'
const WRONG_PASSWORD = '28P01'
/** `FATAL: too many connections for role "…"` and `… for database "…"`; other texts speak of the server. */
const OWN_LIMIT = /\bfor (role|database) "/

/** What of our own errors needs no closer look. */
const CLASS_BY_CODE: Partial<Record<ErrorCode, FailureClass>> = {
  tls_failed: 'tenant',
  identity_mismatch: 'tenant',
  identity_unknown: 'tenant',
  sealing_failed: 'unasked',
  unsupported: 'unasked',
  // Of a first statement, after the login.
  sql_error: 'resource',
  statement_timeout: 'resource',
  connection_lost: 'interrupted',
  outcome_unknown: 'interrupted',
}

/** Maps what an opening failed with to its class. Pure. */
export function failureClass(error: unknown): FailureClass {
  if (error instanceof LoginFailedError) return error.sqlstate === WRONG_PASSWORD ? 'auth' : 'tenant'
  if (error instanceof PasswordUnavailableError) return 'unasked'
  if (error instanceof ServerUnavailableError) {
    return error.sqlstate === undefined
      ? classOfSilence(error.cause)
      : classOfAnswer(error.sqlstate, error.message)
  }
  return (error instanceof TenantryError ? CLASS_BY_CODE[error.code] : undefined) ?? 'ours'
}

function classOfAnswer(sqlstate: string, message: string): FailureClass {
  if (sqlstate === TOO_MANY_CONNECTIONS) return OWN_LIMIT.test(message) ? 'tenant-full' : 'full'
  if (sqlstate === CANNOT_CONNECT_NOW) return 'starting'
  // A role may end its own sessions, at their login too: that must not be held against the server.
  return sqlstate.startsWith('57') ? 'interrupted' : 'resource'
}

function classOfSilence(cause: unknown): FailureClass {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
  if (EXHAUSTED.has(code)) return 'ours'
  return UNREACHABLE.has(code) ? 'unreachable' : 'unanswered'
}
