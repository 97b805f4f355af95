import { AsyncResource } from 'node:async_hooks'
import type { Connection, Statement, StatementResult, Trust } from '../connection/connection.ts'
import { canStream, type StreamEnd, type TakeBatch } from '../connection/row-stream.ts'
import type { Sql } from '../connection/sql.ts'
import {
  ConnectionLostError,
  LeaseExpiredError,
  LeaseReleasedError,
  OutcomeUnknownError,
  UnsupportedError,
} from '../errors.ts'
import { currentTenant, refuseOtherTenant } from '../tenant/tenant-context.ts'
import type { TenantRecord } from '../tenant/tenant-record.ts'
import type { CloseReason, EventHub } from './events.ts'
import type { Slot } from './pool/slot.ts'
import type { Scheduler } from './scheduling/scheduler.ts'
import { ExclusiveSource } from './sql/exclusive-source.ts'
import { createSql } from './sql/sql-facade.ts'

export interface LeaseBounds {
  /** Milliseconds until the connection is taken away. */
  readonly timeoutMs: number
  /** The cap of one answer, for statements that set none. */
  readonly maxResultBytes: number
}

/**
 * The sole right to one connection of one tenant, until `release()` or the lease deadline.
 * Write `using lease = await router.lease(…)`, and it is released at the end of the block.
 */
export class Lease implements Disposable {
  readonly tenant: TenantRecord
  readonly trust: Trust
  /** Throws `tenant_mismatch` in the context of a tenant that neither has the lease nor asked for it. */
  readonly guard: () => void
  readonly #slot: Slot
  readonly #scheduler: Scheduler
  readonly #events: EventHub
  readonly #terms: LeaseBounds
  readonly #source: ExclusiveSource
  readonly #timer: NodeJS.Timeout
  /** Called as the signal aborts, in whatever async context, at a fraction of its price: one for whoever has the lease. */
  onTaken: ((error: Error) => void) | undefined
  /** Both made when somebody asks for its signal, whose listeners then run in that one's async context. */
  #aborter: AbortController | undefined
  #abortIn: AsyncResource | undefined
  #abortedBy: Error | undefined
  #sql: Sql | undefined
  #isOver = false
  /** Why the connection was taken away, which is what the statement under it ended of. */
  #revokedBy: Error | undefined

  constructor(slot: Slot, scheduler: Scheduler, events: EventHub, terms: LeaseBounds) {
    this.tenant = slot.pool.record
    this.trust = slot.trust
    this.#slot = slot
    this.#scheduler = scheduler
    this.#events = events
    this.#terms = terms
    const { id } = this.tenant
    const asker = currentTenant()
    this.guard = () => refuseOtherTenant(id, asker)
    this.#source = new ExclusiveSource(slot.connection, {
      isRevoked: false,
      maxBytes: terms.maxResultBytes,
      guard: this.guard,
    })
    slot.revoke = (reason, error) => this.#end(error, reason)
    slot.lost = () => this.#lose()
    this.#timer = setTimeout(() => this.#end(expired(this), 'expired'), terms.timeoutMs)
  }

  /** For the sql facade of the router; whoever runs statements on it has the lease to himself. */
  get connection(): Connection {
    if (this.#isOver) throw new LeaseReleasedError('the connection of a lease that was given back')
    return this.#slot.connection
  }

  /** The cap of one answer. */
  get maxBytes(): number {
    return this.#terms.maxResultBytes
  }

  /** Aborts when the connection was taken away or ended by itself; the reason is the error. */
  get signal(): AbortSignal {
    this.#aborter ??= new AbortController()
    this.#abortIn ??= new AsyncResource('TenantryLeaseSignal')
    if (this.#abortedBy) this.#aborter.abort(this.#abortedBy)
    return this.#aborter.signal
  }

  /** Why the connection was taken away; undefined while it was not. */
  get revokedBy(): Error | undefined {
    return this.#revokedBy
  }

  /** No statement may start any more. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** postgres.js's own `sql`, on this connection alone. */
  get sql(): Sql {
    this.#sql ??= createSql(this.#source, { trust: this.trust })
    return this.#sql
  }

  /**
   * Runs one statement; several at once run one after the other.
   * @throws {SqlError | LeaseReleasedError | LeaseExpiredError} and what `Connection.run` throws.
   */
  async run(statement: Statement): Promise<StatementResult> {
    const held = await this.#source.hold()
    try {
      // Released meanwhile: what was not sent is not sent any more.
      if (this.#isOver) throw new LeaseReleasedError('a lease was given back before its statement was sent')
      return await held.connection.run(this.#own(statement))
    } catch (error) {
      throw this.#reasonOf(error)
    } finally {
      held.release()
    }
  }

  /**
   * Runs one statement and hands its rows on in batches, as fast as they are taken. The server's limit for one
   * statement counts the time of whoever reads, so it is lifted here, up to the deadline of the lease.
   * @throws as `run`, and what `take` rejects with.
   */
  async stream(statement: Statement, take: TakeBatch): Promise<StreamEnd> {
    const held = await this.#source.hold()
    try {
      if (this.#isOver) throw new LeaseReleasedError('a lease was given back before its stream began')
      const { connection } = held
      if (!canStream(connection))
        throw new UnsupportedError('a stream on a connection of another driver', 'use lease.run')
      // A transaction pooler takes no settings: there the limit is ours, and leaves cursors alone.
      if (this.#slot.pool.server.via !== 'transaction-pooler')
        await connection.run({ text: `set statement_timeout = ${this.#terms.timeoutMs}`, prepare: false })
      return await connection.stream(this.#own(statement), take)
    } catch (error) {
      throw this.#reasonOf(error)
    } finally {
      held.release()
    }
  }

  /** Asks the server to end what runs, and waits until that can hit nothing else. */
  cancel(): Promise<void> {
    return this.#isOver ? Promise.resolve() : this.#slot.connection.cancel()
  }

  /** Gives the connection back; what still runs is cancelled, and rejects with `lease_released`. Safe to call again. */
  release(): void {
    if (this.#isOver) return
    const quiet = this.#close()
    const { pool, leasedAt, connection } = this.#slot
    // Waited for where the connection is cleaned; here its reason is told.
    if (quiet)
      void connection.cancel(new LeaseReleasedError('a lease was given back while its statement ran'))
    this.#events.emit('released', {
      tenant: pool.id,
      server: pool.server.id,
      heldMs: performance.now() - leasedAt,
    })
    this.#scheduler.giveBack(this.#slot, quiet)
  }

  /** As `release()`, and the connection is closed instead of serving another lease: it is not to be used again. */
  discard(): void {
    if (!this.#isOver) this.#slot.closeReason ??= 'unclean'
    this.release()
  }

  [Symbol.dispose](): void {
    this.release()
  }

  #own(statement: Statement): Statement {
    const terms = { maxBytes: this.#terms.maxResultBytes, ...statement }
    return this.trust === 'foreign' ? { ...terms, prepare: false, multiple: false } : terms
  }

  /** Where the connection was lost under what was taken away, nobody knows what that has done. */
  #reasonOf(error: unknown): unknown {
    return error instanceof OutcomeUnknownError ? error : (this.#revokedBy ?? error)
  }

  #end(error: Error, reason: CloseReason): void {
    if (this.#isOver) return
    this.#revokedBy = error
    this.#abort(error)
    void this.#scheduler.expire(this.#slot, this.#close(error), reason, error)
  }

  /** The connection ended by itself: statements say so, each in its own words. */
  #lose(): void {
    clearTimeout(this.#timer)
    this.#abort(new ConnectionLostError(`a connection of tenant ${this.tenant.id} ended while it was leased`))
  }

  #abort(error: Error): void {
    if (!this.#abortedBy) this.onTaken?.(error)
    this.#abortedBy ??= error
    this.#abortIn?.runInAsyncScope(() => this.#aborter?.abort(error))
  }

  /** Refuses further statements. Settles when the last has ended; undefined when none is under way. */
  #close(reason?: Error): Promise<void> | undefined {
    this.#isOver = true
    clearTimeout(this.#timer)
    const { isHeld } = this.#source
    const quiet = this.#source.close(reason)
    return isHeld ? quiet : undefined
  }
}

function expired(lease: Lease): LeaseExpiredError {
  return new LeaseExpiredError(`a lease of tenant ${lease.tenant.id} was held past its deadline`)
}
