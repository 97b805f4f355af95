import {
  ConnectionLostError,
  type ErrorCode,
  OutcomeUnknownError,
  SqlError,
  type TenantryError,
} from '../../errors.ts'
import { STATUS } from '../problem.ts'

/** What the client copies from a fault to its error. */
export const SQL_FIELDS = [
  'message',
  'code',
  'severity',
  'detail',
  'hint',
  'position',
  'internalPosition',
  'internalQuery',
  'where',
  'schema',
  'table',
  'column',
  'dataType',
  'constraint',
  'file',
  'line',
  'routine',
] as const

/** An error as the client of `@neondatabase/serverless` reads it: every name is there. */
export type SqlFault = Readonly<Record<(typeof SQL_FIELDS)[number], string | null>>

/** Unknown, foreign and wrong read the same: nobody learns which tenants and keys there are. */
const PASSWORD_FAILED = { severity: 'FATAL', code: '28P01', message: 'password authentication failed' }
const CREDENTIAL: ReadonlySet<ErrorCode> = new Set([
  'unauthorized',
  'tenant_unknown',
  'tenant_mismatch',
  'invalid_tenant_id',
  'no_tenant',
])

/** SQLSTATEs of errors that are ours and not Postgres's own; of the others it is XX000. */
const SQLSTATE: Partial<Record<ErrorCode, string>> = {
  invalid_request: '08P01', // protocol violation
  unsupported: '0A000', // feature not supported
  forbidden: '42501', // insufficient privilege
  role_not_isolated: '42501',
  tenant_deleted: '3D000', // invalid catalog name
  tenant_suspended: '57P03', // cannot connect now
  tenant_moving: '57P03',
  cancelled: '57014', // query canceled
  statement_timeout: '57014',
  lease_expired: '57014',
  body_too_large: '54000', // program limit exceeded
  result_too_large: '54000',
  rate_limited: '53400', // configuration limit exceeded
  concurrency_limited: '53400',
  acquire_timeout: '53300', // too many connections
  too_many_waiters: '53300',
  nested_lease: '53300',
  server_unavailable: '08001', // unable to establish
  circuit_open: '08001',
  connection_lost: '08006', // connection failure
  outcome_unknown: '08007', // transaction resolution unknown
}

/** Of those with an SQLSTATE, what is not the caller's doing, or what the protocol gives a status of its own. */
const OWN_STATUS: ReadonlySet<number> = new Set([413, 423, 429, 507])

/** The client reads the body only of status 400; of others it shows status and text. */
export function faultOf(error: TenantryError): { readonly status: number; readonly body: SqlFault } {
  if (error instanceof SqlError) return { status: 400, body: filled({ ...error.fields, ...error.internals }) }
  if (CREDENTIAL.has(error.code)) return { status: 400, body: filled(PASSWORD_FAILED) }
  const words = lastWordsOf(error)
  if (words)
    return {
      status: 400,
      body: filled({ severity: words.severity, code: words.sqlstate, message: words.message }),
    }
  const code = SQLSTATE[error.code] ?? 'XX000'
  return {
    status: statusOf(error.code),
    body: filled({ severity: 'ERROR', code, message: error.publicDetail }),
  }
}

/** What the server said to the session that the caller's own statements had. */
function lastWordsOf(error: TenantryError) {
  return error instanceof OutcomeUnknownError || error instanceof ConnectionLostError
    ? error.lastWords
    : undefined
}

function statusOf(code: ErrorCode): number {
  const status = STATUS[code]
  if (code === 'statement_timeout') return 400 // as Postgres's own
  return status < 500 && !OWN_STATUS.has(status) ? 400 : status
}

function filled(fields: Partial<SqlFault>): SqlFault {
  // Every name of SQL_FIELDS is given a value.
  return Object.fromEntries(SQL_FIELDS.map((name) => [name, fields[name] ?? null])) as SqlFault
}
