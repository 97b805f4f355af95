import { setTimeout as sleep } from 'node:timers/promises'
import type { Sql, TransactionSql } from '../connection/sql.ts'
import {
  AcquireTimeoutError,
  NotWarmError,
  RouterClosedError,
  ServerUnknownError,
  TenantryError,
  TenantUnknownError,
} from '../errors.ts'
import type { Directory } from '../registry/directory.ts'
import { refuseOtherTenant, requireTenant, runAsTenant } from '../tenant/tenant-context.ts'
import { parseTenantId, type TenantId } from '../tenant/tenant-id.ts'
import type { TenantRecord } from '../tenant/tenant-record.ts'
import { statusError, termsError } from './admission.ts'
import { EventHub, type RouterEvents } from './events.ts'
import { Lease } from './lease.ts'
import { type LeaseOptions, type LeaseTerms, leaseTerms } from './lease-options.ts'
import { type ResolvedRouterOptions, RouterOptions } from './options.ts'
import type { OpenConnection } from './pool/opener.ts'
import type { ConfirmGone } from './pool/retirement.ts'
import type { Slot } from './pool/slot.ts'
import type { TenantPool } from './pool/tenant-pool.ts'
import { byPresentRoute } from './present-route.ts'
import { currentLeaseContext, inLeaseContext } from './scheduling/lease-context.ts'
import { Scheduler } from './scheduling/scheduler.ts'
import { createSql } from './sql/sql-facade.ts'
import { type RouterStats, snapshot } from './stats.ts'
import { beginMode, type TransactionOptions } from './transaction-options.ts'

/** Asking after a change that was heard and does not show yet. */
const FOLLOW_FIRST_MS = 100
const FOLLOW_MAX_MS = 6_400

interface Fence {
  readonly generation: number
  readonly epoch: number
  readonly error: Error
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
  readonly #fences = new Map<TenantId, Fence>()
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
    const confirmGone = byPresentRoute(directory, backends.confirmGone)
    this.#scheduler = new Scheduler(this.options, open, confirmGone, this.#events)
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
    const terms = leaseTerms(options, this.options)
    try {
      return await this.#lease(tenant, terms)
    } catch (error) {
      const code = error instanceof TenantryError ? error.code : 'internal'
      const scope = error instanceof AcquireTimeoutError ? error.scope : undefined
      this.#events.emit('refused', { tenant, code, scope })
      throw error
    }
  }

  /** Runs `work` on one connection of the tenant, as the ambient tenant. */
  withTenant<T>(id: string, work: (sql: Sql) => T | Promise<T>, options: LeaseOptions = {}): Promise<T> {
    return inLeaseContext(async () => {
      using lease = await this.lease(id, { keepsSession: false, ...options })
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
    const terms = { keepsSession: false, ...options }
    const hold = async (signal?: AbortSignal) => {
      if (own !== undefined) refuseOtherTenant(own)
      const lease = await this.lease(own ?? requireTenant(), signal ? { ...terms, signal } : terms)
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

  async #lease(tenant: TenantId, terms: LeaseTerms): Promise<Lease> {
    const startedAt = performance.now()
    const { trust } = terms
    const pool = await this.#admit(tenant, terms)
    const cold = !pool.hasOpen(trust)
    const slot = await this.#scheduler.acquire(pool, {
      trust,
      class: terms.class,
      signal: terms.signal,
      timeoutMs: terms.acquireTimeoutMs,
      context: currentLeaseContext(),
    })
    const lease = this.#lend(slot, terms.leaseTimeoutMs)
    const waitedMs = performance.now() - startedAt
    this.#events.emit('leased', { tenant, server: pool.server.id, waitedMs, cold })
    return lease
  }

  /** The slot goes back where no lease comes of it. */
  #lend(slot: Slot, timeoutMs: number): Lease {
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

  /** The pool to lease from. A tenant that is no longer served loses what it has open, whoever noticed first. */
  async #admit(tenant: TenantId, terms: LeaseTerms): Promise<TenantPool> {
    if (this.#closing) throw new RouterClosedError('a lease was asked for after close()')
    const { record, revision, server } = await this.#route(tenant, terms.signal).catch((error: unknown) => {
      if (error instanceof TenantUnknownError) this.#cut(tenant, error)
      throw error
    })
    const gone = statusError(record)
    if (gone) this.#cut(tenant, gone)
    const present = this.#scheduler.current(tenant)
    // The pool may know a newer record than was read here.
    const newest = present && present.revision > revision ? present.record : record
    const refusal = gone ?? statusError(newest) ?? termsError(newest, server, terms) ?? this.#fenceOf(newest)
    if (refusal) throw refusal
    if (terms.onlyIfWarm && !present?.hasOpen(terms.trust)) {
      throw new NotWarmError(`tenant ${tenant} has no open connection`)
    }
    return this.#scheduler.poolOf(record, revision, server)
  }

  #cut(tenant: TenantId, error: Error): void {
    const pool = this.#scheduler.current(tenant)
    if (pool) this.#scheduler.cut(pool, 'suspended', error)
  }

  async #route(tenant: TenantId, signal?: AbortSignal) {
    const entry = await this.#directory.tenant(tenant, signal)
    if (!entry) throw new TenantUnknownError(`tenant ${tenant} is not in the registry`)
    const server = await this.#directory.server(entry.record.route.server, signal)
    if (!server) {
      throw new ServerUnknownError(
        `tenant ${tenant} is on server ${entry.record.route.server}, which is not in the registry`,
      )
    }
    return { record: entry.record, revision: entry.revision, server: server.record }
  }

  #fenceOf({ id, generation, epoch }: TenantRecord): Error | undefined {
    const fence = this.#fences.get(id)
    return fence?.generation === generation && fence.epoch === epoch ? fence.error : undefined
  }

  #fenceOn(error: unknown, record: TenantRecord): never {
    if (error instanceof TenantryError && error.code === 'identity_mismatch') {
      this.#events.emit('fenced', { tenant: record.id, server: record.route.server, error })
      const pool = this.#scheduler.current(record.id)
      // What an older record led to says nothing of where the tenant is now.
      if (pool?.isOfEpoch(record)) {
        this.#fences.set(record.id, { generation: record.generation, epoch: record.epoch, error })
        this.#scheduler.cut(pool, 'fenced', error)
      }
    }
    throw error
  }

  /**
   * Follows a change that was heard: another epoch drains the pool, another status ends it. The directory may
   * still answer from before (the registry is slow or down), so it is asked again until the change shows.
   */
  async #refresh(id: TenantId): Promise<void> {
    this.#fences.delete(id)
    const before = this.#scheduler.current(id)?.revision
    for (
      let againInMs = FOLLOW_FIRST_MS;
      !this.#closing;
      againInMs = Math.min(againInMs * 2, FOLLOW_MAX_MS)
    ) {
      if (!this.#scheduler.current(id)) return
      const revision = await this.#follow(id)
      if (revision === undefined || (before !== undefined && revision > before)) return
      if (againInMs === FOLLOW_MAX_MS) return
      await sleep(againInMs, undefined, { ref: false })
    }
  }

  /** Resolves the revision that was seen, 0 when the registry could not be asked; undefined when the tenant is gone. */
  async #follow(id: TenantId): Promise<number | undefined> {
    try {
      const { record, revision, server } = await this.#route(id)
      const error = statusError(record)
      if (error) this.#cut(id, error)
      else if (this.#scheduler.current(id)) this.#scheduler.follow(record, revision, server)
      return revision
    } catch (error) {
      if (!(error instanceof TenantUnknownError)) return 0
      this.#cut(id, error)
      return undefined
    }
  }

  async #refreshAll(): Promise<void> {
    const tenants = new Set([...this.#scheduler.pools].map((pool) => pool.id))
    await Promise.all([...tenants].map((id) => this.#follow(id)))
  }
}
