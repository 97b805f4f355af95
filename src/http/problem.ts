import type { Context } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { type ErrorCode, InternalError, MethodNotAllowedError, SqlError, TenantryError } from '../errors.ts'

/** The only file that knows both errors and HTTP. A new code without a status does not compile. */
export const STATUS = {
  invalid_request: 400,
  invalid_tenant_id: 400,
  no_tenant: 400,
  tenant_mismatch: 400,
  invalid_dsn: 400,
  sql_error: 400,
  unsupported: 400,
  unauthorized: 401,
  forbidden: 403,
  job_refused: 403,
  role_not_isolated: 403,
  tenant_suspended: 403,
  tenant_unknown: 404,
  not_found: 404,
  method_not_allowed: 405,
  already_exists: 409,
  job_outdated: 409,
  revision_conflict: 409,
  precondition_failed: 409,
  tenant_deleted: 410,
  body_too_large: 413,
  tenant_moving: 423,
  concurrency_limited: 429,
  rate_limited: 429,
  /** Nobody reads it: the client has gone. For the log and the metrics. */
  cancelled: 499,
  stream_stalled: 499,
  internal: 500,
  invalid_config: 500,
  lease_released: 500,
  part_missing: 500,
  sealing_failed: 500,
  connection_lost: 502,
  identity_mismatch: 502,
  identity_unknown: 502,
  login_failed: 502,
  outcome_unknown: 502,
  server_unknown: 502,
  tls_failed: 502,
  acquire_timeout: 503,
  answers_full: 503,
  circuit_open: 503,
  issuer_unavailable: 503,
  job_running: 503,
  nested_lease: 503,
  not_warm: 503,
  redis_unavailable: 503,
  registry_too_new: 503,
  registry_too_old: 503,
  registry_unavailable: 503,
  router_closed: 503,
  server_unavailable: 503,
  tenant_unavailable: 503,
  too_many_clients: 503,
  too_many_streams: 503,
  too_many_waiters: 503,
  lease_expired: 504,
  load_timeout: 504,
  statement_timeout: 504,
  result_too_large: 507,
} as const satisfies Record<ErrorCode, number>
type ProblemStatus = (typeof STATUS)[ErrorCode]

/** RFC 9457. */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: ProblemStatus
  readonly detail: string
  readonly code: ErrorCode
  readonly requestId: string
  readonly retryAfterSeconds?: number
  /** What Postgres said of the caller's own statement. */
  readonly sqlstate?: string
  readonly sql?: Readonly<Record<string, string>>
}

/** What is not an error of ours is a defect of ours: the caller reads nothing of it. */
export function asTenantryError(error: unknown): TenantryError {
  if (error instanceof TenantryError) return error
  return new InternalError('an error that is not of ours reached the answer', { cause: error })
}

export function problemOf(error: TenantryError, requestId: string): Problem {
  return {
    type: `urn:tenantry:problem:${error.code}`,
    title: error.code.replaceAll('_', ' '),
    status: STATUS[error.code],
    detail: error.publicDetail,
    code: error.code,
    requestId,
    ...(error.retryAfterSeconds === undefined ? {} : { retryAfterSeconds: error.retryAfterSeconds }),
    ...(error instanceof SqlError ? { sqlstate: error.sqlstate, sql: { ...error.fields } } : {}),
  }
}

export function problemHeaders(error: TenantryError, problem: Problem): Record<string, string> {
  return {
    'content-type': 'application/problem+json',
    'cache-control': 'no-store',
    ...(problem.retryAfterSeconds === undefined ? {} : { 'retry-after': String(problem.retryAfterSeconds) }),
    ...(problem.status === 401 ? { 'www-authenticate': 'Bearer' } : {}),
    ...(error instanceof MethodNotAllowedError ? { allow: error.allowed.join(', ') } : {}),
  }
}

/** Answers through the context, so that headers set before (the request id) go out with it. */
export function answerProblem(c: Context, error: TenantryError, requestId: string): Response {
  const problem = problemOf(error, requestId)
  for (const [name, value] of Object.entries(problemHeaders(error, problem))) c.header(name, value)
  // Hono's type knows no 499, which nobody reads; every other status here is one it knows.
  return c.body(JSON.stringify(problem), problem.status as ContentfulStatusCode)
}
