/**
 * Stable across releases: programs match on it. `src/http/problem.ts` gives each its HTTP status; a code
 * without one does not compile.
 */
export type ErrorCode =
  | 'invalid_request'
  | 'invalid_tenant_id'
  | 'no_tenant'
  | 'tenant_mismatch'
  | 'tenant_unknown'
  | 'tenant_suspended'
  | 'tenant_deleted'
  | 'tenant_moving'
  | 'tenant_unavailable'
  | 'unauthorized'
  | 'forbidden'
  | 'role_not_isolated'
  | 'not_found'
  | 'method_not_allowed'
  | 'already_exists'
  | 'revision_conflict'
  | 'precondition_failed'
  | 'invalid_dsn'
  | 'invalid_config'
  | 'body_too_large'
  | 'sql_error'
  | 'unsupported'
  | 'cancelled'
  | 'acquire_timeout'
  | 'too_many_waiters'
  | 'too_many_streams'
  | 'too_many_clients'
  | 'answers_full'
  | 'rate_limited'
  | 'concurrency_limited'
  | 'stream_stalled'
  | 'nested_lease'
  | 'not_warm'
  | 'router_closed'
  | 'lease_expired'
  | 'lease_released'
  | 'statement_timeout'
  | 'result_too_large'
  | 'connection_lost'
  | 'outcome_unknown'
  | 'server_unavailable'
  | 'circuit_open'
  | 'server_unknown'
  | 'tls_failed'
  | 'login_failed'
  | 'identity_mismatch'
  | 'identity_unknown'
  | 'issuer_unavailable'
  | 'job_refused'
  | 'job_outdated'
  | 'job_running'
  | 'load_timeout'
  | 'redis_unavailable'
  | 'registry_unavailable'
  | 'registry_too_new'
  | 'registry_too_old'
  | 'sealing_failed'
  | 'part_missing'
  | 'internal'

/**
 * Every error of ours. `message` is for the log and may name hosts, roles and databases (never secrets);
 * `publicDetail` is what a caller may read.
 */
export abstract class TenantryError extends Error {
  abstract readonly code: ErrorCode
  abstract readonly publicDetail: string
  /** Seconds after which the same request may succeed; undefined where waiting does not help. */
  readonly retryAfterSeconds: number | undefined = undefined

  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = new.target.name
  }
}

/** The request cannot be understood. `publicDetail` says which part and what is allowed. */
export class InvalidRequestError extends TenantryError {
  readonly code = 'invalid_request'
  readonly publicDetail: string
  /** @param detail may be shown to the caller as it is. */
  constructor(detail: string, options?: ErrorOptions) {
    super(detail, options)
    this.publicDetail = detail
  }
}

/** Nothing says which tenant is meant. In the library: call inside `runAsTenant` or `withTenant`, or name the tenant. */
export class NoTenantError extends TenantryError {
  readonly code = 'no_tenant'
  readonly publicDetail = 'No tenant is named by this request: name one, as by its host or X-Tenant-ID.'
  constructor(
    message = 'no tenant in this async context: call it behind tenancy(), or inside runAsTenant() or withTenant(), or name the tenant',
  ) {
    super(message)
  }
}

/** The text is not a tenant id. It is never echoed whole: it may be anything. */
export class InvalidTenantIdError extends TenantryError {
  readonly code = 'invalid_tenant_id'
  readonly publicDetail: string
  constructor(text: unknown, reason = 'a tenant id is 1 to 40 lower-case letters, digits and inner hyphens') {
    super(`not a tenant id: ${JSON.stringify(String(text).slice(0, 60))} (${reason})`)
    this.publicDetail = `Not a tenant id: ${reason}.`
  }
}

/** A handle of one tenant was used where another one is ambient. */
export class TenantMismatchError extends TenantryError {
  readonly code = 'tenant_mismatch'
  readonly publicDetail = 'The request names two different tenants.'
  constructor(handle: string, ambient: string) {
    super(
      `a handle of tenant ${handle} was used in the context of tenant ${ambient}; runAsTenant() and withTenant() change the context`,
    )
  }
}

/** The registry was asked and holds no such tenant, or the caller may not know that it does. */
export class TenantUnknownError extends TenantryError {
  readonly code = 'tenant_unknown'
  readonly publicDetail = 'There is no such tenant.'
}

/** An operator suspended the tenant. Retrying does not help until it is resumed. */
export class TenantSuspendedError extends TenantryError {
  readonly code = 'tenant_suspended'
  readonly publicDetail = 'The tenant is suspended.'
}

/** The tenant is deleted or being deleted. */
export class TenantDeletedError extends TenantryError {
  readonly code = 'tenant_deleted'
  readonly publicDetail = 'The tenant has been deleted.'
}

/** The tenant is between two servers. */
export class TenantMovingError extends TenantryError {
  readonly code = 'tenant_moving'
  readonly publicDetail = 'The tenant is being moved. Retry shortly.'
  override readonly retryAfterSeconds = 1
}

/** The tenant is being provisioned, or provisioning failed. */
export class TenantUnavailableError extends TenantryError {
  readonly code = 'tenant_unavailable'
  readonly publicDetail = 'The tenant is not ready.'
  override readonly retryAfterSeconds = 2
}

/** No credential, or none that is valid now. All causes read the same to the caller. */
export class UnauthorizedError extends TenantryError {
  readonly code = 'unauthorized'
  readonly publicDetail = 'A valid credential is required.'
}

/** The credential is valid and its role or scope does not reach this far. */
export class ForbiddenError extends TenantryError {
  readonly code = 'forbidden'
  readonly publicDetail = 'The credential does not permit this.'
}

/** SQL of a tenant's own key was asked for, and its database role could reach other tenants (design rule 13). */
export class RoleNotIsolatedError extends TenantryError {
  readonly code = 'role_not_isolated'
  readonly publicDetail =
    "The tenant's database role is not isolated, so SQL of tenant keys is refused. Use a service key."
}

/** No such route, or no such record. */
export class NotFoundError extends TenantryError {
  readonly code = 'not_found'
  readonly publicDetail = 'There is no such thing here.'
}

/** The route exists, for other methods. */
export class MethodNotAllowedError extends TenantryError {
  readonly code = 'method_not_allowed'
  readonly publicDetail: string
  readonly allowed: readonly string[]
  constructor(allowed: readonly string[]) {
    super(`allowed: ${allowed.join(', ')}`)
    this.publicDetail = `Allowed here: ${allowed.join(', ')}.`
    this.allowed = allowed
  }
}

/** The name is taken. `publicDetail` says by which kind of record, not by whose. */
export class AlreadyExistsError extends TenantryError {
  readonly code = 'already_exists'
  readonly publicDetail: string
  constructor(kind: string, id: string) {
    super(`${kind} ${id} exists`)
    this.publicDetail = `There already is a ${kind} of this name.`
  }
}

/** The record is not in a state that permits the change. */
export class PreconditionFailedError extends TenantryError {
  readonly code = 'precondition_failed'
  readonly publicDetail: string
  /** @param detail may be shown to the caller as it is. */
  constructor(detail: string) {
    super(detail)
    this.publicDetail = detail
  }
}

/** A connection string that we cannot honour whole. It is never echoed: it may hold a password. */
export class InvalidDsnError extends TenantryError {
  readonly code = 'invalid_dsn'
  readonly publicDetail: string
  /** @param detail names the part at fault and what is allowed, never the value of a secret. */
  constructor(detail: string) {
    super(detail)
    this.publicDetail = detail
  }
}

/** Settings that stop the start; `faults` has one line for each. */
export class InvalidConfigError extends TenantryError {
  readonly code = 'invalid_config'
  readonly publicDetail = 'The service is not configured correctly.'
  readonly faults: readonly string[]
  constructor(faults: readonly string[]) {
    super(`${faults.length} setting(s) are wrong:\n${faults.map((f) => `  ${f}`).join('\n')}`)
    this.faults = faults
  }
}

/** A compare-and-set lost: read again, decide again. */
export class RevisionConflictError extends TenantryError {
  readonly code = 'revision_conflict'
  readonly publicDetail = 'The record was changed by someone else. Read it again.'
}

/** The caller said which revision the change is for (If-Match), and the record has another one. */
export class RevisionNotMatchedError extends TenantryError {
  readonly code = 'revision_conflict'
  readonly publicDetail: string
  constructor(wanted: number, found: number) {
    const detail = `The record is at revision ${found}, not at ${wanted} as the request expects. Read it again.`
    super(detail)
    this.publicDetail = detail
  }
}

/** The acquire deadline passed while every connection was leased. The message names the full budget. */
export class AcquireTimeoutError extends TenantryError {
  readonly code = 'acquire_timeout'
  readonly publicDetail = 'No database connection became free in time. Retry shortly.'
  override readonly retryAfterSeconds = 1
  /** The limit that was reached; undefined where none was and a connection did not open in time. */
  readonly scope: string | undefined
  constructor(message: string, scope?: string) {
    super(message)
    this.scope = scope
  }
}

/** The waiting queue is at its bound. */
export class TooManyWaitersError extends TenantryError {
  readonly code = 'too_many_waiters'
  readonly publicDetail = 'Too many requests are waiting for a database connection. Retry shortly.'
  override readonly retryAfterSeconds = 1
}

/** As many clients are connected as this process has descriptors for. Nothing of the request was looked at. */
export class TooManyClientsError extends TenantryError {
  readonly code = 'too_many_clients'
  readonly publicDetail = 'Too many clients are connected. Retry shortly.'
  override readonly retryAfterSeconds = 1
}

/** As many clients as may follow events do so. */
export class TooManyStreamsError extends TenantryError {
  readonly code = 'too_many_streams'
  readonly publicDetail = 'Too many clients follow events. Retry later.'
  override readonly retryAfterSeconds = 10
}

/**
 * The answers that are under way fill what this process sets aside for them, or the tenant's own take half of
 * it. A statement outside of a transaction may have taken effect.
 */
export class AnswersFullError extends TenantryError {
  readonly code = 'answers_full'
  readonly publicDetail =
    'Too many large answers are under way. Retry shortly, or stream. A statement that wrote may have taken effect.'
  override readonly retryAfterSeconds = 1
}

/** The tenant has made as many requests as its limit allows in this time. Nothing ran. */
export class RateLimitedError extends TenantryError {
  readonly code = 'rate_limited'
  readonly publicDetail: string
  override readonly retryAfterSeconds: number
  constructor(requestsPerMinute: number, retryAfterSeconds: number) {
    super(`over ${requestsPerMinute} requests per minute`)
    this.publicDetail = `The tenant may make ${requestsPerMinute} requests per minute. Retry later.`
    this.retryAfterSeconds = retryAfterSeconds
  }
}

/** As many requests of the tenant are under way as may be. Nothing ran. */
export class ConcurrencyLimitedError extends TenantryError {
  readonly code = 'concurrency_limited'
  readonly publicDetail: string
  override readonly retryAfterSeconds = 1
  constructor(concurrency: number) {
    super(`${concurrency} requests are under way`)
    this.publicDetail = `The tenant may have ${concurrency} requests under way at once. Retry shortly.`
  }
}

/** A client did not take the next part of its answer in time. */
export class StreamStalledError extends TenantryError {
  readonly code = 'stream_stalled'
  readonly publicDetail = 'The answer was not read in time.'
}

/** A context that holds a lease asked for another, and every connection it could get is held by contexts that wait themselves. */
export class NestedLeaseError extends TenantryError {
  readonly code = 'nested_lease'
  readonly publicDetail = 'The request already holds every connection it may have.'
}

/** `onlyIfWarm` was asked for and the tenant has no idle connection. */
export class NotWarmError extends TenantryError {
  readonly code = 'not_warm'
  readonly publicDetail = 'The tenant has no open connection.'
}

/** A lease was asked for after `close()`. */
export class RouterClosedError extends TenantryError {
  readonly code = 'router_closed'
  readonly publicDetail = 'The service is shutting down. Retry shortly.'
  override readonly retryAfterSeconds = 2
}

/** The lease deadline passed; the statement was cancelled and the connection taken away. */
export class LeaseExpiredError extends TenantryError {
  readonly code = 'lease_expired'
  readonly publicDetail = 'The request took longer than it may.'
}

/** A statement was issued on a lease after its release, or still ran then: hold the lease for as long as you use it. */
export class LeaseReleasedError extends TenantryError {
  readonly code = 'lease_released'
  readonly publicDetail = 'The connection of this request has been given back.'
}

/** The server or we ended the statement at its time limit. It did not commit on its own. */
export class StatementTimeoutError extends TenantryError {
  readonly code = 'statement_timeout'
  readonly publicDetail = 'The statement took longer than it may.'
}

/** The answer passed its row or byte cap; the statement was cancelled, or had taken effect before its rows came. */
export class ResultTooLargeError extends TenantryError {
  readonly code = 'result_too_large'
  readonly publicDetail =
    'The result is larger than allowed. Ask for less. A statement that wrote may have taken effect.'
}

/** What the server said as it ended a session: a FATAL error. */
export interface LastWords {
  readonly severity: string
  readonly sqlstate: string
  readonly message: string
}

/** The connection ended before the statement was sent: nothing ran, a retry is safe. */
export class ConnectionLostError extends TenantryError {
  readonly code = 'connection_lost'
  readonly publicDetail = 'The database connection was lost.'
  /** Undefined where the server said nothing. */
  readonly lastWords: LastWords | undefined
  constructor(message: string, options?: ErrorOptions & { readonly lastWords?: LastWords | undefined }) {
    super(message, options)
    this.lastWords = options?.lastWords
  }
}

/** The connection ended after the statement was sent. Never retried by us. */
export class OutcomeUnknownError extends TenantryError {
  readonly code = 'outcome_unknown'
  readonly publicDetail =
    'The database connection was lost while the statement ran. It may or may not have taken effect.'
  /** Undefined where the server said nothing. */
  readonly lastWords: LastWords | undefined
  constructor(message: string, options?: ErrorOptions & { readonly lastWords?: LastWords | undefined }) {
    super(message, options)
    this.lastWords = options?.lastWords
  }
}

/** Connecting was refused, timed out, or the server is starting, stopping or full. */
export class ServerUnavailableError extends TenantryError {
  readonly code = 'server_unavailable'
  /** Where the server answered at all. */
  readonly sqlstate: string | undefined
  readonly publicDetail = "The tenant's database server cannot be reached. Retry shortly."
  override readonly retryAfterSeconds = 2
  constructor(message: string, options?: ErrorOptions & { readonly sqlstate?: string }) {
    super(message, options)
    this.sqlstate = options?.sqlstate
  }
}

/** What makes the short-lived passwords of the server failed or took too long, so the server was not asked. */
export class PasswordUnavailableError extends ServerUnavailableError {}

/** The server could not be reached a moment ago, so it was not asked. It is tried again every second. Nothing ran. */
export class CircuitOpenError extends TenantryError {
  readonly code = 'circuit_open'
  readonly publicDetail = "The tenant's database server does not answer at present. Retry shortly."
  override readonly retryAfterSeconds = 1
}

/** A route names a server that the registry does not hold. */
export class ServerUnknownError extends TenantryError {
  readonly code = 'server_unknown'
  readonly publicDetail = "The tenant's database server is not registered."
}

/** The server offers no TLS, or its certificate is not what the server record asks for. The password was not sent. */
export class TlsFailedError extends TenantryError {
  readonly code = 'tls_failed'
  readonly publicDetail = "The tenant's database server failed the TLS check."
}

/** Wrong password, role disabled, no CONNECT privilege, or no such database. The message holds the SQLSTATE. */
export class LoginFailedError extends TenantryError {
  readonly code = 'login_failed'
  readonly publicDetail = "The tenant's database refused the login."
  /** Undefined where it was us who refused how the server wanted the password. */
  readonly sqlstate: string | undefined
  constructor(message: string, options?: ErrorOptions & { readonly sqlstate?: string }) {
    super(message, options)
    this.sqlstate = options?.sqlstate
  }
}

/** The database at the end of the route belongs to another tenant, or was moved away. Nothing is served (design rule 9). */
export class IdentityMismatchError extends TenantryError {
  readonly code = 'identity_mismatch'
  readonly publicDetail = 'The tenant is fenced: its route leads to another database.'
}

/** The stamp or pin is missing or is not the one on record, as after a restore or an upgrade. */
export class IdentityUnknownError extends TenantryError {
  readonly code = 'identity_unknown'
  readonly publicDetail = "The tenant's database is not recognised. An operator must accept it."
}

/** Redis is not there, does not answer in time, or refused the command, which may have run. */
export class RedisUnavailableError extends TenantryError {
  readonly code = 'redis_unavailable'
  readonly publicDetail = 'A part of the service does not answer at present. Retry shortly.'
  override readonly retryAfterSeconds = 1
}

/** What was to be kept in a cache took longer to load than it may. It goes on; its outcome is nobody's. */
export class LoadTimeoutError extends TenantryError {
  readonly code = 'load_timeout'
  readonly publicDetail = 'The request took longer than it may.'
  constructor(ms: number) {
    super(`a value for the cache was not loaded in ${ms} ms`)
  }
}

/** A job that can never run, whatever is tried again: discard it. */
export class JobRefusedError extends TenantryError {
  readonly code = 'job_refused'
  readonly publicDetail = 'The job is refused.'
  /** Not an envelope; not sealed with a key of ours, or altered; too old; it has run; its tenant is gone. */
  readonly reason: 'malformed' | 'forged' | 'expired' | 'replayed' | 'tenant_gone'
  constructor(reason: JobRefusedError['reason'], message: string) {
    super(message)
    this.reason = reason
  }
}

/** The tenant's route has changed since the job was sealed. It does not run as it is: `renew()` it, or discard it. */
export class JobOutdatedError extends TenantryError {
  readonly code = 'job_outdated'
  readonly publicDetail = 'The job was made before its tenant was moved or its login rotated.'
}

/** The same job runs at this moment, or the worker that ran it died a short while ago. */
export class JobRunningError extends TenantryError {
  readonly code = 'job_running'
  readonly publicDetail = 'The job is running.'
  override readonly retryAfterSeconds = 10
}

/** The keys of whoever signs an application's tokens cannot be had, and none are held. */
export class IssuerUnavailableError extends TenantryError {
  readonly code = 'issuer_unavailable'
  readonly publicDetail = 'The credential cannot be checked now. Retry shortly.'
  override readonly retryAfterSeconds = 10
}

/** The registry backend did not answer in time, and nothing usable is held. */
export class RegistryUnavailableError extends TenantryError {
  readonly code = 'registry_unavailable'
  readonly publicDetail = 'The tenant registry cannot be asked. Retry shortly.'
  override readonly retryAfterSeconds = 2
}

/** The registry answered with what cannot be true; what was known before stays in use. Its contents are not repeated. */
export class AnswerRefusedError extends RegistryUnavailableError {
  /** Not a record of its kind; of an older revision than one that was known; gone together with most others. */
  readonly reason: 'unreadable' | 'older' | 'vanished'

  constructor(reason: AnswerRefusedError['reason'], message: string) {
    super(message)
    this.reason = reason
  }
}

/** What an earlier process held of the registry cannot be used: changed, cut, too old, of another registry or version. */
export class SnapshotRefusedError extends RegistryUnavailableError {}

/** The registry's schema is newer than this version understands. Upgrade this process. */
export class RegistryTooNewError extends TenantryError {
  readonly code = 'registry_too_new'
  readonly publicDetail = 'The service is older than its registry.'
}

/** The registry has a schema from before this version, and bringing it further is left to the operator. */
export class RegistryTooOldError extends TenantryError {
  readonly code = 'registry_too_old'
  readonly publicDetail = 'The registry has yet to be migrated for this version of the service.'
}

/** A sealed secret does not open: wrong master key, or a record that was changed or copied. */
export class SealingFailedError extends TenantryError {
  readonly code = 'sealing_failed'
  readonly publicDetail = 'A stored secret cannot be opened.'
}

/** The library or the service does not offer this; the text names the alternative. */
export class UnsupportedError extends TenantryError {
  readonly code = 'unsupported'
  readonly publicDetail: string
  constructor(what: string, alternative: string) {
    super(`${what} is not supported: ${alternative}`)
    this.publicDetail = `${what} is not supported: ${alternative}`
  }
}

/** The caller went away or aborted; nobody reads the answer. */
export class CancelledError extends TenantryError {
  readonly code = 'cancelled'
  readonly publicDetail = 'The request was cancelled.'
}

/** The request body passed its cap. */
export class BodyTooLargeError extends TenantryError {
  readonly code = 'body_too_large'
  readonly publicDetail: string
  constructor(maxBytes: number) {
    super(`request body over ${maxBytes} bytes`)
    this.publicDetail = `The request body may have ${maxBytes} bytes at most.`
  }
}

/** A program or package that this verb needs is not on the machine; the text is the line that installs it. */
export class PartMissingError extends TenantryError {
  readonly code = 'part_missing'
  readonly publicDetail = 'A part of the service is not installed.'
}

/** A defect of ours: an assertion that does not hold. */
export class InternalError extends TenantryError {
  readonly code = 'internal'
  readonly publicDetail = 'Something went wrong on our side.'
}

/** What Postgres said about a statement that was the caller's own. Everything in it may be shown to that caller. */
export class SqlError extends TenantryError {
  readonly code = 'sql_error'
  readonly publicDetail: string
  readonly sqlstate: string
  readonly fields: SqlErrorFields
  readonly internals: SqlErrorInternals
  constructor(
    fields: SqlErrorFields,
    options?: ErrorOptions & { readonly internals?: SqlErrorInternals | undefined },
  ) {
    super(`${fields.code}: ${fields.message}`, options)
    this.internals = options?.internals ?? {}
    this.publicDetail = fields.message
    this.sqlstate = fields.code
    this.fields = fields
  }
}

/** The parts of a Postgres error that speak of the statement, not of the server: no file, line, host or role. */
export interface SqlErrorFields {
  readonly message: string
  readonly code: string
  readonly severity?: string
  readonly detail?: string
  readonly hint?: string
  readonly position?: string
  readonly where?: string
  readonly schema?: string
  readonly table?: string
  readonly column?: string
  readonly dataType?: string
  readonly constraint?: string
}

/** What Postgres says of itself as it failed: for protocols that hand on all of an error. */
export interface SqlErrorInternals {
  /** In the language of the session. */
  readonly severity?: string
  readonly internalPosition?: string
  readonly internalQuery?: string
  /** Of the server's source. */
  readonly file?: string
  readonly line?: string
  readonly routine?: string
}
