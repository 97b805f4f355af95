import type { Connection, ConnectionTarget } from '../connection/connection.ts'
import { type OpenOptions, openConnection } from '../connection/open.ts'
import { ScramKeyCache } from '../connection/scram-keys.ts'
import { NO_SCHEMAS } from '../connection/startup-settings.ts'
import { InternalError, LoginFailedError, ServerUnavailableError } from '../errors.ts'
import { unlessAborted } from '../registry/abort.ts'
import { targetOf } from '../registry/route.ts'
import type { Sealer } from '../registry/sealing.ts'
import type { ServerRecord } from '../registry/server-record.ts'
import { within } from '../registry/within.ts'
import type { TenantRecord } from '../tenant/tenant-record.ts'
import type { OpenGate } from './breaker/open-gate.ts'
import { proveIdentity } from './identity.ts'
import type { ResolvedRouterOptions } from './options.ts'
import { PasswordSource } from './password-source.ts'
import type { OpenTerms } from './pool/opener.ts'
import { cancelUntilQuiet } from './pool/quiet.ts'
import type { Suspect } from './pool/retirement.ts'

/**
 * Gone: no process of that number, or one of another role or younger, which has the number by now: a server that was
 * restarted elsewhere begins to count anew. A role that was dropped under its backend has no name there. A session is
 * ended only by its own role, so nobody else's ever is.
 */
const TERMINATE = `
  select coalesce(pg_catalog.bool_and(case when a.usename operator(pg_catalog.=) current_user
           then pg_catalog.pg_terminate_backend(a.pid, 1000) else false end), true) as gone
    from pg_catalog.pg_stat_activity a
   where a.pid operator(pg_catalog.=) $1::pg_catalog.int4
     and (a.usename is null or a.usename operator(pg_catalog.=) $2::pg_catalog.name)
     and (a.backend_start is null or a.backend_start operator(pg_catalog.<=) (
           pg_catalog.clock_timestamp() operator(pg_catalog.-) pg_catalog.make_interval(secs => $3::pg_catalog.float8)))`

/**
 * A role may have set anything for its own sessions (`ALTER ROLE … SET`), and none of it may change what the statement means
 * or end the session before it has run: its hanging backends would stay for ever. A blank is a list of nothing.
 */
const UNHINDERED = {
  search_path: NO_SCHEMAS,
  local_preload_libraries: ' ',
  idle_session_timeout: '0',
  // A serializable, deferrable one waits for transactions of everybody else on the server.
  default_transaction_isolation: 'read committed',
}
/** Another of those, which only servers of this version know: others refuse a login that names it. */
const LIFT_TRANSACTION_TIMEOUT = { since: 17, text: 'set transaction_timeout to 0' }

/** Two clocks that run at different speeds may differ so much over the life of a connection. */
const CLOCK_SLACK_MS = 1_000

/** Postgres: there is no such database, so there is no session in it. */
const NO_DATABASE = '3D000'

/** Opens one backend, as `openConnection` does. */
export type Connect = (target: ConnectionTarget, options: OpenOptions) => Promise<Connection>

/** Opens connections as a tenant's own role: for its pool, and one beside the budget to end what hangs. */
export class RouteOpener {
  readonly #sealer: Sealer
  readonly #registryId: string
  readonly #options: ResolvedRouterOptions
  readonly #connect: Connect
  readonly #passwords: PasswordSource
  readonly #scramKeys = new ScramKeyCache()
  /** At most one headroom connection by server: the next waits for the one before. */
  readonly #headroom = new Map<string, Promise<unknown>>()

  /** @param connect by which driver; one without `dispatch` serves `lease.run` and no `sql` handle. */
  constructor(
    sealer: Sealer,
    registryId: string,
    options: ResolvedRouterOptions,
    connect: Connect = openConnection,
    passwords = new PasswordSource(),
  ) {
    this.#passwords = passwords
    this.#connect = connect
    this.#sealer = sealer
    this.#registryId = registryId
    this.#options = options
  }

  /** @throws {ServerUnavailableError | TlsFailedError | LoginFailedError | IdentityMismatchError | IdentityUnknownError | SealingFailedError | CancelledError} */
  async open(record: TenantRecord, server: ServerRecord, terms: OpenTerms): Promise<Connection> {
    const { connectTimeoutMs, signal } = terms
    const { statementTimeoutMs, leaseTimeoutMs } = this.#options
    const scramKeys = this.#scramKeys
    const settings = {
      statement_timeout: String(record.limits.statementTimeoutMs ?? statementTimeoutMs),
      // For a router that is gone: no lease's own deadline is later than the router's, which comes first.
      idle_in_transaction_session_timeout: String(leaseTimeoutMs + 5_000),
    }
    const target = await this.#targetOf(record, server, terms)
    const connection = await this.#connect(
      { ...target, settings, typesKey: typesKeyOf(record) },
      { ...terms, scramKeys },
    ).catch((error: unknown) => {
      if (error instanceof LoginFailedError) this.#passwords.forget(record, server)
      throw error
    })
    const proof = proveIdentity(connection, record)
    try {
      await within(unlessAborted(proof, signal), connectTimeoutMs, late(server))
      return connection
    } catch (error) {
      await abandon(connection, proof)
      if (connection.mayLiveOn) terms.leftBehind(connection)
      throw error
    }
  }

  /**
   * Ends the backend, if it is there still. Resolves whether the server has let go of it; false once aborted.
   * @param gate asked and told as for any other connection: it may refuse.
   */
  confirmGone(suspect: Suspect, signal: AbortSignal, gate: OpenGate): Promise<boolean> {
    // A pooler says no process id of the server, and ends its own use of the backend when its client is gone.
    if (suspect.server.via !== 'direct') return Promise.resolve(true)
    const { id } = suspect.server
    const before = this.#headroom.get(id) ?? Promise.resolve()
    const mine = before.then(() => !signal.aborted && this.#isGone(suspect, signal, gate))
    const settled = mine.catch(() => {})
    this.#headroom.set(id, settled)
    void settled.then(() => {
      if (this.#headroom.get(id) === settled) this.#headroom.delete(id)
    })
    return mine
  }

  async #isGone(suspect: Suspect, signal: AbortSignal, gate: OpenGate): Promise<boolean> {
    try {
      return await this.#terminate(suspect, signal, gate)
    } catch (error) {
      const sqlstate = error instanceof LoginFailedError ? error.sqlstate : undefined
      if (sqlstate === NO_DATABASE && suspect.record.route.database === suspect.database) return true
      throw error
    }
  }

  async #terminate(
    { record, server, pid, role, openedAt }: Suspect,
    signal: AbortSignal,
    gate: OpenGate,
  ): Promise<boolean> {
    const { connectTimeoutMs } = this.#options
    const settings = { ...UNHINDERED, statement_timeout: String(connectTimeoutMs) }
    const terms = { connectTimeoutMs, signal }
    const target = { ...(await this.#targetOf(record, server, terms)), settings }
    const refusal = gate.refusal(record, server)
    if (refusal) throw refusal
    const attempt = gate.begin(record, server)
    const scramKeys = this.#scramKeys
    const connection = await this.#connect(target, { ...terms, scramKeys }).catch((error: Error) => {
      attempt.failed(error)
      throw error
    })
    attempt.opened()
    try {
      const ageMs = Math.max(0, performance.now() - openedAt - CLOCK_SLACK_MS)
      const run = isGone(connection, [pid, role, ageMs / 1_000])
      return await within(unlessAborted(run, signal), connectTimeoutMs, late(server))
    } finally {
      connection.destroy(new InternalError('the headroom connection is not needed any more'))
    }
  }

  async #targetOf(
    record: TenantRecord,
    server: ServerRecord,
    terms: Pick<OpenTerms, 'connectTimeoutMs' | 'signal'>,
  ): Promise<ConnectionTarget> {
    const provided = await this.#passwords.passwordFor(record, server, terms)
    return targetOf(record, server, this.#sealer, this.#registryId, provided)
  }
}

async function isGone(connection: Connection, params: readonly unknown[]): Promise<boolean> {
  const { since, text } = LIFT_TRANSACTION_TIMEOUT
  const version = Number.parseInt(connection.parameters['server_version'] ?? '', 10)
  if (version >= since) await connection.run({ text, prepare: false })
  const { rows } = await connection.run({ text: TERMINATE, params, prepare: false })
  return (rows[0] as { gone: boolean }).gone
}

/**
 * Ends a connection that is not wanted, and waits until its socket has closed. Its statement is cancelled first:
 * a backend that waits for a lock does not notice at once that its client has gone, and lives beside the budget.
 */
async function abandon(connection: Connection, last: Promise<void>): Promise<void> {
  const quiet = last.catch(() => {})
  try {
    await cancelUntilQuiet(connection, quiet)
    await connection.close()
  } catch (error) {
    connection.destroy(error instanceof Error ? error : new InternalError(String(error)))
  }
  await connection.closed
}

function late(server: ServerRecord): () => Error {
  return () => new ServerUnavailableError(`server ${server.id} did not answer in time on a new connection`)
}

/** What a database's own types are remembered by: another database has others, and so has a migrated one. */
function typesKeyOf({ id, generation, epoch, identity, schemaVersion }: TenantRecord): string {
  return JSON.stringify([id, generation, epoch, identity, schemaVersion])
}
