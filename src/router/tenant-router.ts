import type { Trust } from '../connection/connection.ts'
import type { Sql, TransactionSql } from '../connection/sql.ts'
import {
  NotWarmError,
  RouterClosedError,
  ServerUnknownError,
  TenantryError,
  TenantUnknownError,
} from '../errors.ts'
import type { Directory } from '../registry/directory.ts'
import type { ServerRecord } from '../registry/server-record.ts'
import { refuseOtherTenant, requireTenant, runAsTenant } from '../tenant/tenant-context.ts'
import { parseTenantId, type TenantId } from '../tenant/tenant-id.ts'
import type { TenantRecord } from '../tenant/tenant-record.ts'
import { statusError, trustError } from './admission.ts'
import { EventHub, type RouterEvents } from './events.ts'
import { Lease } from './lease.ts'
import { type ResolvedRouterOptions, RouterOptions } from './options.ts'
import type { OpenConnection } from './pool/opener.ts'
import type { ConfirmGone } from './pool/retirement.ts'
import type { Slot } from './pool/slot.ts'
import { currentLeaseContext, inLeaseContext } from './scheduling/lease-context.ts'
import { Scheduler } from './scheduling/scheduler.ts'
import { createSql } from './sql/sql-facade.ts'
import { type RouterStats, snapshot } from './stats.ts'
import { beginMode, type TransactionOptions } from './transaction-options.ts'

export interface LeaseOptions {
  /** Whose SQL will run. Default: the team's own. */
  readonly trust?: Trust
  /** `batch` is for sweeps and jobs over many tenants: a share of its own, and no hot pool ends for it. */
  readonly class?: 'interactive' | 'batch'
  /** Ends the wait for a connection. It does not end a lease that was given. */
  readonly signal?: AbortSignal
  /** Milliseconds; default: the router's. */
  readonly acquireTimeoutMs?: number
  /** Milliseconds; default: the router's. */
  readonly leaseTimeoutMs?: number
  /** Refuse rather than open the tenant's first connection. */
  readonly onlyIfWarm?: boolean
}

/** What opens and ends backends for the router. */
export interface Backends {
  readonly open: OpenConnection
  readonly confirmGone: ConfirmGone
}

/**
 * Tenant id in, lease out: under budgets for the process, each server and each tenant, until `close()`.
 * A tenant whose database proved to be another's is fenced: refused until its record changes.
 */
export class TenantRouter implements AsyncDisposable {
  readonly options: ResolvedRouterOptions
  readonly #directory: Directory
  readonly #events = new EventHub()
  readonly #scheduler: Scheduler
  readonly #fences = new Map<TenantId, { readonly record: TenantRecord; readonly error: Error }>()
  readonly #sweeper: NodeJS.Timeout
  readonly #changes: Disposable
  readonly #onClosed: () => Promise<void>
  #closing: Promise<void> | undefined

  /** @param onClosed closes what the router was given for itself alone; `close()` waits for it. */
  constructor(
    directory: Directory,
    backends: Backends,
    options: RouterOptions = {},
    onClosed: () => Promise<void> = async () => {},
  ) {
    this.#onClosed = onClosed
    this.options = RouterOptions.parse(options)
    this.#directory = directory
    const open: OpenConnection = (record, server, terms) =>
      backends.open(record, server, terms).catch((error: unknown) => this.#fenceOn(error, record))
    this.#scheduler = new Scheduler(this.options, open, backends.confirmGone, this.#events)
    const sweepMs = Math.min(Math.max(this.options.poolIdleTimeoutMs / 10, 20), 5_000)
    this.#sweeper = setInterval(() => this.#scheduler.sweep(), sweepMs).unref()
    this.#changes = directory.onChange((change) => {
      if (change !== 'reset' && change.kind === 'tenant') void this.#refresh(change.id as TenantId)
      else if (change === 'reset' || change.kind === 'server') void this.#refreshAll()
    })
  }

  /**
   * One connection of the tenant, alone, until it is released or its deadline passes.
   * @throws {TenantryError} with the codes tenant_*, role_not_isolated, acquire_timeout, too_many_waiters,
   * nested_lease, not_warm, server_*, tls_failed, login_failed, identity_*, registry_unavailable, router_closed, cancelled.
   */
  async lease(id: string, options: LeaseOptions = {}): Promise<Lease> {
    const tenant = parseTenantId(id)
    const startedAt = performance.now()
    const { record, server } = await this.#admit(tenant, options)
    const pool = this.#scheduler.poolOf(record, server)
    const trust = options.trust ?? 'application'
    const cold = !pool.hasOpen(trust)
    const slot = await this.#scheduler.acquire(pool, {
      trust,
      class: options.class ?? 'interactive',
      signal: options.signal,
      timeoutMs: options.acquireTimeoutMs ?? this.options.acquireTimeoutMs,
      context: currentLeaseContext(),
    })
    const lease = this.#lend(slot, options.leaseTimeoutMs)
    const waitedMs = performance.now() - startedAt
    this.#events.emit('leased', { tenant, server: server.id, waitedMs, cold })
    return lease
  }

  /** Runs `work` on one connection of the tenant, as the ambient tenant. */
  withTenant<T>(id: string, work: (sql: Sql) => T | Promise<T>, options: LeaseOptions = {}): Promise<T> {
    return inLeaseContext(async () => {
      using lease = await this.lease(id, options)
      // Awaited inside: a lazy query is sent when it is awaited, and asks for the ambient tenant then.
      return await runAsTenant(lease.tenant.id, async () => await work(lease.sql))
    })
  }

  /** Runs `work` in one transaction: committed when it resolves, rolled back when it throws. */
  transaction<T>(
    id: string,
    options: TransactionOptions & LeaseOptions,
    work: (sql: TransactionSql) => T | Promise<T>,
  ): Promise<T> {
    const run = async (sql: Sql) => (await sql.begin(beginMode(options), work)) as T
    return this.withTenant(id, run, options)
  }

  /**
   * A handle that leases a connection for each statement, transaction and reservation: of one tenant, or,
   * without an id, of the ambient one at the moment a statement is sent. Make it once, not for each request.
   */
  sql(id?: string, options: LeaseOptions = {}): Sql {
    const own = id === undefined ? undefined : parseTenantId(id)
    const hold = async (signal?: AbortSignal) => {
      if (own !== undefined) refuseOtherTenant(own)
      const lease = await this.lease(own ?? requireTenant(), signal ? { ...options, signal } : options)
      return {
        connection: lease.connection,
        maxBytes: lease.maxBytes,
        get isRevoked() {
          return lease.isOver
        },
        release: () => lease.release(),
      }
    }
    return createSql({ hold }, { trust: options.trust ?? 'application' })
  }

  stats(): RouterStats {
    return snapshot(this.#scheduler, this.options)
  }

  on<E extends keyof RouterEvents>(event: E, listener: (payload: RouterEvents[E]) => void): Disposable {
    return this.#events.on(event, listener)
  }

  /** Closes what the tenant has idle now, and what is leased when it comes back. @returns how many were idle. */
  evict(id: string): number {
    const pool = this.#scheduler.current(parseTenantId(id))
    return pool ? this.#scheduler.evict(pool, 'operator') : 0
  }

  /** Refuses new leases, waits `drainTimeoutMs` for those out, closes everything. Safe to call again. */
  close(): Promise<void> {
    this.#closing ??= this.#drain()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #drain(): Promise<void> {
    clearInterval(this.#sweeper)
    this.#changes[Symbol.dispose]()
    await this.#scheduler.close(this.options.drainTimeoutMs)
    await this.#onClosed()
  }

  /** The slot goes back where no lease comes of it. */
  #lend(slot: Slot, timeoutMs = this.options.leaseTimeoutMs): Lease {
    try {
      // Ended between the grant and this turn: its lease could not be taken away.
      if (slot.pool.cutBy) throw slot.pool.cutBy
      const maxResultBytes = slot.pool.record.limits.maxResultBytes ?? this.options.maxResultBytes
      return new Lease(slot, this.#scheduler, this.#events, { timeoutMs, maxResultBytes })
    } catch (error) {
      this.#scheduler.giveBack(slot, undefined)
      throw error
    }
  }

  async #admit(tenant: TenantId, options: LeaseOptions) {
    try {
      if (this.#closing) throw new RouterClosedError('a lease was asked for after close()')
      const { record, server } = await this.#route(tenant, options.signal)
      const refusal = statusError(record) ?? trustError(record, options.trust ?? 'application')
      if (refusal) throw refusal
      const fence = this.#fences.get(tenant)
      if (fence?.record === record) throw fence.error
      if (options.onlyIfWarm && !this.#scheduler.current(tenant)?.hasOpen(options.trust ?? 'application')) {
        throw new NotWarmError(`tenant ${tenant} has no open connection`)
      }
      return { record, server }
    } catch (error) {
      const code = error instanceof TenantryError ? error.code : 'internal'
      this.#events.emit('refused', { tenant, code, scope: undefined })
      throw error
    }
  }

  async #route(
    tenant: TenantId,
    signal?: AbortSignal,
  ): Promise<{ record: TenantRecord; server: ServerRecord }> {
    const entry = await this.#directory.tenant(tenant, signal)
    if (!entry) throw new TenantUnknownError(`tenant ${tenant} is not in the registry`)
    const server = await this.#directory.server(entry.record.route.server, signal)
    if (!server)
      throw new ServerUnknownError(
        `tenant ${tenant} is on server ${entry.record.route.server}, which is not in the registry`,
      )
    return { record: entry.record, server: server.record }
  }

  #fenceOn(error: unknown, record: TenantRecord): never {
    if (error instanceof TenantryError && error.code === 'identity_mismatch') {
      this.#fences.set(record.id, { record, error })
      this.#events.emit('fenced', { tenant: record.id, server: record.route.server, error })
      const pool = this.#scheduler.current(record.id)
      if (pool) this.#scheduler.cut(pool, 'fenced', error)
    }
    throw error
  }

  /** Follows a changed record: another epoch drains the pool, another status ends it. */
  async #refresh(id: TenantId): Promise<void> {
    this.#fences.delete(id)
    if (!this.#scheduler.current(id)) return
    try {
      const { record, server } = await this.#route(id)
      const pool = this.#scheduler.current(id)
      const error = statusError(record)
      if (!pool || this.#closing) return
      if (error) this.#scheduler.cut(pool, 'suspended', error)
      else this.#scheduler.poolOf(record, server)
    } catch (error) {
      const pool = this.#scheduler.current(id)
      if (pool && error instanceof TenantUnknownError) this.#scheduler.cut(pool, 'suspended', error)
      // Otherwise the registry cannot be asked: what is open stays in use.
    }
  }

  async #refreshAll(): Promise<void> {
    await Promise.all([...this.#scheduler.pools].map((pool) => this.#refresh(pool.id)))
  }
}
