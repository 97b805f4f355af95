import { AsyncResource } from 'node:async_hooks'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Sql, TransactionSql } from '../connection/sql.ts'
import {
  AcquireTimeoutError,
  NotWarmError,
  RouterClosedError,
  TenantryError,
  TenantUnknownError,
} from '../errors.ts'
import type { Directory } from '../registry/directory.ts'
import { generationError, runAsTenant } from '../tenant/tenant-context.ts'
import { parseTenantId, type TenantId } from '../tenant/tenant-id.ts'
import type { TenantRecord } from '../tenant/tenant-record.ts'
import { statusError, termsError } from './admission.ts'
import { Breakers } from './breaker/breakers.ts'
import type { OpenGate } from './breaker/open-gate.ts'
import { cancelStatements, type StatementsCancelled } from './cancel-statements.ts'
import { EventHub, type RouterEvents } from './events.ts'
import { explainTenant, type KnownRoute, type TenantExplanation } from './explanation.ts'
import { Fences } from './fences.ts'
import { Holds } from './holds.ts'
import { Lease } from './lease.ts'
import { type LeaseOptions, type LeaseTerms, leaseTerms } from './lease-options.ts'
import { LeaseSource } from './lease-source.ts'
import { byNewestRecord } from './newest-record.ts'
import { type ResolvedRouterOptions, RouterOptions } from './options.ts'
import type { OpenConnection } from './pool/opener.ts'
import type { Suspect } from './pool/retirement.ts'
import type { Slot } from './pool/slot.ts'
import type { TenantPool } from './pool/tenant-pool.ts'
import { byPresentRoute } from './present-route.ts'
import { RecentTrouble } from './recent-trouble.ts'
import { RecordFollower } from './record-follower.ts'
import { runTransaction } from './run-transaction.ts'
import { currentLeaseContext, inLeaseContext } from './scheduling/lease-context.ts'
import { Scheduler } from './scheduling/scheduler.ts'
import { createSql } from './sql/sql-facade.ts'
import { type RouterStats, snapshot } from './stats.ts'
import type { TenantSql } from './tenant-sql.ts'
import type { TransactionOptions } from './transaction-options.ts'

/** What opens and ends backends for the router. */
export interface Backends {
  readonly open: OpenConnection
  /** As `ConfirmGone`; asks the gate before it connects. */
  confirmGone(suspect: Suspect, signal: AbortSignal, gate: OpenGate): Promise<boolean>
}

/**
 * Tenant id in, lease out: under budgets for the process, each server and each tenant, until `close()`.
 * A tenant whose database proved to be another's is fenced: refused until its record changes.
 */
export class TenantRouter implements AsyncDisposable {
  readonly options: ResolvedRouterOptions
  readonly #events = new EventHub()
  readonly #breakers: Breakers
  readonly #scheduler: Scheduler
  readonly #fences = new Fences()
  readonly #holds = new Holds()
  readonly #trouble = new RecentTrouble(this.#events)
  readonly #records: RecordFollower
  readonly #sweeper: NodeJS.Timeout
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
    this.#breakers = new Breakers(this.#events)
    const open = byNewestRecord(
      backends.open,
      (record, signal) => this.#records.reread(record, signal),
      (error, record) => this.#fenceOn(error, record),
    )
    // What becomes of logins at an address that a server had before is nothing to its breaker.
    const former = new Breakers(new EventHub())
    const confirmGone = byPresentRoute(directory, (suspect, signal) =>
      backends.confirmGone(suspect, signal, suspect.isFormer ? former : this.#breakers),
    )
    // In our own async context: whose wait or release makes room has nothing to do with what is opened.
    const [opening, confirming] = [AsyncResource.bind(open), AsyncResource.bind(confirmGone)]
    this.#scheduler = new Scheduler(this.options, opening, confirming, this.#breakers, this.#events)
    const sweepMs = Math.min(Math.max(this.options.poolIdleTimeoutMs / 10, 20), 5_000)
    this.#sweeper = setInterval(() => this.#scheduler.sweep(), sweepMs).unref()
    this.#records = new RecordFollower(directory, this.#scheduler, (id) => this.#fences.lift(id))
  }

  /**
   * One connection of the tenant, alone, until it is released or its deadline passes.
   * @throws {TenantryError} with the codes tenant_*, role_not_isolated, acquire_timeout, too_many_waiters,
   * nested_lease, not_warm, server_*, circuit_open, tls_failed, login_failed, identity_*, registry_unavailable, router_closed, cancelled.
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
      // What is refused at once is often asked for again at once: nothing else would have its turn.
      await nextTurn()
      throw error
    }
  }

  /**
   * Runs `work` on one connection of the tenant, as the ambient tenant.
   * @throws as `lease`, and what `work` throws.
   */
  withTenant<T, const Id extends string = string>(
    id: Id,
    work: (sql: TenantSql<Id>) => T | Promise<T>,
    options: LeaseOptions = {},
  ): Promise<T> {
    return inLeaseContext(async () => {
      const tenant = parseTenantId(id)
      return await runAsTenant(tenant, async () => {
        using lease = await this.lease(tenant, { keepsSession: false, ...options })
        return await work(lease.sql as TenantSql<Id>)
      })
    })
  }

  /**
   * Runs `work` in one transaction: committed when it resolves, rolled back when it throws.
   * @throws as `lease`, what `work` throws, and {SqlError} where the server rolled back what was to be committed.
   */
  transaction<T, const Id extends string = string>(
    id: Id,
    options: TransactionOptions & LeaseOptions,
    work: (sql: TenantSql<Id, TransactionSql>) => T | Promise<T>,
  ): Promise<T> {
    const { leaseTimeoutMs } = this.options
    const body = (sql: TransactionSql) => work(sql as TenantSql<Id, TransactionSql>)
    return runTransaction({ leaseTimeoutMs, ...options }, body, (run, leftMs) =>
      this.withTenant(id, run, { ...options, leaseTimeoutMs: leftMs }),
    )
  }

  /**
   * A handle that leases a connection for each statement, transaction and reservation: of one tenant, or,
   * without an id, of the ambient one at the moment a statement is sent. Make it once, not for each request.
   * @throws {InvalidTenantIdError}; what its statements reject with is as `lease`, {NoTenantError | TenantMismatchError}.
   */
  sql(id?: undefined, options?: LeaseOptions): Sql
  sql<const Id extends string>(id: Id, options?: LeaseOptions): TenantSql<Id>
  sql(id: string | undefined, options?: LeaseOptions): Sql
  sql(id?: string, options: LeaseOptions = {}): Sql {
    const own = id === undefined ? undefined : parseTenantId(id)
    const terms = { keepsSession: false, ...options }
    const lease = (tenant: TenantId, signal?: AbortSignal) =>
      this.lease(tenant, signal ? { ...terms, signal } : terms)
    return createSql(new LeaseSource(own, lease), { trust: options.trust ?? 'application' })
  }

  stats(): RouterStats {
    return snapshot(this.#scheduler, this.#breakers, this.options)
  }

  /**
   * Why the tenant's leases are as they are. Answers whatever is full, open or down, for a tenant that nobody knows, too.
   * @param known its record and server where the caller has read them; default: those of its pool.
   */
  explain(id: string, known?: KnownRoute): TenantExplanation {
    const [scheduler, breakers] = [this.#scheduler, this.#breakers]
    const [fences, holds, trouble] = [this.#fences, this.#holds, this.#trouble]
    const parts = { scheduler, breakers, fences, holds, trouble, options: this.options }
    return explainTenant(parts, parseTenantId(id), known)
  }

  on<E extends keyof RouterEvents>(event: E, listener: (payload: RouterEvents[E]) => void): Disposable {
    return this.#events.on(event, listener)
  }

  /** Closes what the tenant has idle now, and what is leased when it comes back. @returns how many were idle. */
  evict(id: string): number {
    const pool = this.#scheduler.current(parseTenantId(id))
    return pool ? this.#scheduler.evict(pool, 'operator') : 0
  }

  /** Cancels what the tenant's leases run and have been running for so long; they stay. Never rejects. */
  cancel(id: string, longerThanMs = 0): Promise<StatementsCancelled> {
    return cancelStatements(this.#scheduler.pools, parseTenantId(id), longerThanMs)
  }

  /** Refuses the tenant in this process and ends what it has open, whatever its record says, until that is disposed of. */
  hold(id: string, error: TenantryError): Disposable {
    const tenant = parseTenantId(id)
    const hold = this.#holds.put(tenant, error)
    this.#records.cut(tenant, error)
    return hold
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
    this.#records.close()
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
      onlyIfWarm: terms.onlyIfWarm,
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
    const route = this.#records.route(tenant, terms.signal)
    const { record, revision, server } =
      route instanceof Promise
        ? await route.catch((error: unknown) => this.#cutUnknown(tenant, error))
        : route
    const gone = statusError(record)
    if (gone) this.#records.cut(tenant, gone)
    const present = this.#scheduler.current(tenant)
    // The pool may know a newer record than was read here.
    const newest = present && present.revision > revision ? present.record : record
    const refusal =
      gone ??
      this.#holds.of(tenant) ??
      statusError(newest) ??
      generationError(newest) ??
      termsError(newest, server, terms) ??
      this.#fences.of(newest)
    if (refusal) throw refusal
    if (terms.onlyIfWarm && !present?.hasOpen(terms.trust)) {
      throw new NotWarmError(`tenant ${tenant} has no open connection`)
    }
    return this.#scheduler.poolOf(record, revision, server)
  }

  #cutUnknown(tenant: TenantId, error: unknown): never {
    if (error instanceof TenantUnknownError) this.#records.cut(tenant, error)
    throw error
  }

  #fenceOn(error: unknown, record: TenantRecord): never {
    if (error instanceof TenantryError && error.code === 'identity_mismatch') {
      this.#events.emit('fenced', { tenant: record.id, server: record.route.server, error })
      const pool = this.#scheduler.current(record.id)
      // What an older record led to says nothing of where the tenant is now.
      if (pool?.isOfEpoch(record)) {
        this.#fences.put(record, error)
        this.#scheduler.cut(record.id, 'fenced', error)
      }
    }
    throw error
  }
}
