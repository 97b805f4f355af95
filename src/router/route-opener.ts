import type { DriverConnection } from '../connection/driver-connection.ts'
import { openConnection } from '../connection/open.ts'
import { InternalError, ServerUnavailableError } from '../errors.ts'
import { targetOf } from '../registry/route.ts'
import type { Sealer } from '../registry/sealing.ts'
import type { ServerRecord } from '../registry/server-record.ts'
import { within } from '../registry/within.ts'
import type { TenantRecord } from '../tenant/tenant-record.ts'
import { proveIdentity } from './identity.ts'
import type { ResolvedRouterOptions } from './options.ts'
import type { TenantPool } from './pool/tenant-pool.ts'

/** Gone, or gone now: only sessions of the role itself are looked at, so nobody else's is ended. */
const TERMINATE = `
  select coalesce(bool_and(pg_catalog.pg_terminate_backend(a.pid, 1000)), true) as gone
    from pg_catalog.pg_stat_activity a
   where a.pid operator(pg_catalog.=) $1::int4 and a.usename operator(pg_catalog.=) current_user`

/** Opens connections as a tenant's own role: for its pool, and one beside the budget to end what hangs. */
export class RouteOpener {
  readonly #sealer: Sealer
  readonly #registryId: string
  readonly #options: ResolvedRouterOptions
  /** At most one headroom connection by server: the next waits for the one before. */
  readonly #headroom = new Map<string, Promise<unknown>>()

  constructor(sealer: Sealer, registryId: string, options: ResolvedRouterOptions) {
    this.#sealer = sealer
    this.#registryId = registryId
    this.#options = options
  }

  /** @throws {ServerUnavailableError | TlsFailedError | LoginFailedError | IdentityMismatchError | IdentityUnknownError | SealingFailedError | CancelledError} */
  async open(
    record: TenantRecord,
    server: ServerRecord,
    options: { readonly connectTimeoutMs: number; readonly signal: AbortSignal },
  ): Promise<DriverConnection> {
    const connection = await this.#connect(record, server, options)
    try {
      await within(proveIdentity(connection, record), options.connectTimeoutMs, late(server))
      return connection
    } catch (error) {
      connection.destroy(error instanceof Error ? error : new InternalError(String(error)))
      throw error
    }
  }

  /** Ends the backend, if it is there still. Resolves whether the server has let go of it. */
  confirmGone(pool: TenantPool, pid: number): Promise<boolean> {
    const before = this.#headroom.get(pool.server.id) ?? Promise.resolve()
    const mine = before.then(() => this.#terminate(pool, pid))
    const settled = mine.catch(() => {})
    this.#headroom.set(pool.server.id, settled)
    void settled.then(() => {
      if (this.#headroom.get(pool.server.id) === settled) this.#headroom.delete(pool.server.id)
    })
    return mine
  }

  async #terminate(pool: TenantPool, pid: number): Promise<boolean> {
    const { connectTimeoutMs } = this.#options
    const connection = await this.#connect(pool.record, pool.server, { connectTimeoutMs })
    try {
      const run = connection.run({ text: TERMINATE, params: [pid], prepare: false })
      const { rows } = await within(run, connectTimeoutMs, late(pool.server))
      return (rows[0] as { gone: boolean }).gone
    } finally {
      connection.destroy(new InternalError('the headroom connection is not needed any more'))
    }
  }

  #connect(
    record: TenantRecord,
    server: ServerRecord,
    options: { readonly connectTimeoutMs: number; readonly signal?: AbortSignal },
  ): Promise<DriverConnection> {
    const { statementTimeoutMs, leaseTimeoutMs } = this.#options
    const target = targetOf(record, server, this.#sealer, this.#registryId)
    const settings = {
      statement_timeout: String(record.limits.statementTimeoutMs ?? statementTimeoutMs),
      // The lease deadline comes first; this is for a router that is gone.
      idle_in_transaction_session_timeout: String(leaseTimeoutMs + 5_000),
    }
    return openConnection({ ...target, settings }, options)
  }
}

function late(server: ServerRecord): () => Error {
  return () => new ServerUnavailableError(`server ${server.id} did not answer in time on a new connection`)
}
