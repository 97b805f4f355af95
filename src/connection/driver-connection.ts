import { CancelledError, InternalError, StatementTimeoutError } from '../errors.ts'
import { Backend } from './backend.ts'
import type {
  AnswerCaps,
  ConnectionTarget,
  Residue,
  Statement,
  StatementResult,
  Trust,
  TypeProfile,
} from './connection.ts'
import type { DriverQuery } from './driver-query.ts'
import { GuardedCallbacks } from './guarded-callbacks.ts'
import type { LoggedIn } from './login.ts'
import { ownTypesOf } from './own-types.ts'
import {
  isPooled,
  isShared,
  lastingCommandError,
  ownStatementLimit,
  settingsText,
  strayedSetting,
} from './pooled-session.ts'
import { cleaningCommands, whyUnusable } from './residue.ts'
import { BatchReader, type StreamConnection, type StreamEnd, type TakeBatch } from './row-stream.ts'
import type { DispatchOptions, SqlConnection } from './sql-connection.ts'
import { isQueryCanceled, scrubbed, statementError } from './sql-error.ts'
import { queryOf, resultOf, withBlanks } from './statement-query.ts'
import { StatementSender } from './statement-sender.ts'
import { driverProfile } from './type-profile.ts'

/** Cleaning may wait for others, as for a lock that someone holds on the session's temporary table. */
const CLEAN_TIMEOUT_MS = 5_000
/** Between the cancels of one statement through a transaction pooler, which loses those of a statement that waits there. */
const CANCEL_AGAIN_MS = 200

/** A `Connection` over postgres.js as a protocol engine. The states are those of the port. */
export class DriverConnection implements SqlConnection, StreamConnection {
  readonly pid: number
  readonly openedAt = performance.now()
  readonly closed: Promise<void>
  readonly #backend: Backend
  readonly #sender: StatementSender
  /** Set from the call of a statement to its settling, its reset and its cancel included. */
  #busySince: number | undefined
  /** Of the running statement. */
  #callbacks: GuardedCallbacks | undefined
  #wasCancelled = false
  #cancelAgain: NodeJS.Timeout | undefined
  readonly #target: ConnectionTarget
  /** A transaction pooler was told to leave something in a session. */
  #isSpoiled = false

  /** Takes the socket over. */
  constructor(login: LoggedIn, target: ConnectionTarget) {
    this.pid = login.key.pid
    this.#target = target
    this.#backend = new Backend(login, target)
    this.#sender = new StatementSender(this.#backend, ownTypesOf(target.typesKey))
    this.closed = this.#backend.closed
  }

  get isOpen(): boolean {
    return this.#backend.isOpen
  }

  get mayLiveOn(): boolean {
    return this.#backend.mayLiveOn
  }

  get isBusy(): boolean {
    return this.#busySince !== undefined
  }

  get busySince(): number | undefined {
    return this.#busySince
  }

  get transaction(): 'idle' | 'open' | 'failed' {
    return this.#backend.watch.transaction
  }

  get residue(): Residue {
    return this.#backend.watch.residue
  }

  get hasRefusedWrite(): boolean {
    return this.#backend.watch.hasRefusedWrite
  }

  get parameters(): Readonly<Record<string, string>> {
    return this.#backend.parameters
  }

  get preparedStatements(): number {
    return this.#sender.preparedStatements
  }

  async run(statement: Statement): Promise<StatementResult> {
    const profile = statement.profile ?? driverProfile
    const query = queryOf(statement, profile)
    try {
      const value = await this.#perform(query, profile, statement)
      return resultOf(value, this.#backend.watch.tag)
    } catch (error) {
      if (this.#wasCancelled && isQueryCanceled(error))
        throw new CancelledError('the statement was cancelled')
      throw statementError(error, this.#backend.watch.sawRows)
    }
  }

  async stream(statement: Statement, take: TakeBatch): Promise<StreamEnd> {
    const profile = statement.profile ?? driverProfile
    const query = queryOf(statement, profile)
    const batches = new BatchReader(query, take, statement.meter)
    const callbacks = new GuardedCallbacks(query, () => void this.cancel())
    try {
      const last = await this.#perform(query, profile, { ...statement, meter: batches }, { callbacks })
      if (callbacks.failure) throw callbacks.failure.error
      return await batches.end(last, this.#backend.watch.tag)
    } catch (error) {
      if (callbacks.failure) throw callbacks.failure.error
      if (this.#wasCancelled && isQueryCanceled(error))
        throw new CancelledError('the statement was cancelled')
      throw statementError(error, this.#backend.watch.sawRows)
    }
  }

  async dispatch(query: DriverQuery, profile: TypeProfile, options: DispatchOptions = {}): Promise<void> {
    const { resolve, reject } = query
    const callbacks = new GuardedCallbacks(query, () => void this.cancel())
    let value: unknown
    try {
      withBlanks(query, profile.blanks)
      value = await this.#perform(query, profile, options, { callbacks, onStream: resolve })
    } catch (error) {
      reject(callbacks.failure ? callbacks.failure.error : scrubbed(error))
      return
    }
    // Not awaited: the connection is free though the user's last callback may still be at work.
    void callbacks.finished().then(() => resolve(value), reject)
  }

  /**
   * As the port says. What cannot be cancelled in time loses its connection, since the cancel might come late
   * and hit another statement.
   */
  cancel(reason?: Error): Promise<void> {
    if (this.#backend.isRunning) {
      this.#wasCancelled = true
      clearTimeout(this.#cancelAgain)
      const again = () => void this.cancel(reason)
      if (isShared(this.#target)) this.#cancelAgain = setTimeout(again, CANCEL_AGAIN_MS)
    }
    this.#callbacks?.stop(reason)
    return this.#backend.cancel(reason)
  }

  async clean(trust: Trust): Promise<void> {
    const late = () => this.destroy(new Error(`cleaning took over ${CLEAN_TIMEOUT_MS} ms`))
    const timer = setTimeout(late, CLEAN_TIMEOUT_MS)
    try {
      await this.#exclusively(() => this.#clean(trust))
    } catch (error) {
      throw statementError(error, true)
    } finally {
      clearTimeout(timer)
    }
  }

  async close(): Promise<void> {
    if (this.isBusy) throw new InternalError('close() of a busy connection')
    await this.#backend.close()
  }

  destroy(cause: Error): void {
    this.#backend.destroy(cause)
  }

  #perform(
    query: DriverQuery,
    profile: TypeProfile,
    caps: AnswerCaps,
    user?: { readonly callbacks: GuardedCallbacks; readonly onStream?: (stream: unknown) => void },
  ): Promise<unknown> {
    return this.#exclusively(async () => {
      this.#callbacks = user?.callbacks
      if (isShared(this.#target)) query.options.prepare = false
      const limit = this.#limit(query)
      try {
        const value = await this.#sender.send(query, profile, caps, user?.onStream)
        this.#refuseLasting()
        return value
      } finally {
        limit?.[Symbol.dispose]()
      }
    })
  }

  async #exclusively<T>(work: () => Promise<T>): Promise<T> {
    if (this.isBusy) throw new InternalError('a second statement on a busy connection')
    if (!this.isOpen) throw this.#backend.lost()
    this.#busySince = performance.now()
    this.#wasCancelled = false
    try {
      return await work()
    } finally {
      clearTimeout(this.#cancelAgain)
      // Nothing comes after it on a connection that has ended.
      if (this.isOpen && this.#backend.cancelling) await this.#backend.cancelling
      this.#callbacks = undefined
      this.#busySince = undefined
    }
  }

  /** Cancels the statement at its time limit, which the server was not told. */
  #limit(query: DriverQuery): Disposable | undefined {
    const limitMs = ownStatementLimit(this.#target)
    // A cursor and a COPY take as long as whoever reads and writes them; the lease bounds those.
    if (limitMs === undefined || query.cursorFn || query.streaming) return undefined
    const late = () => void this.cancel(new StatementTimeoutError(`a statement took over ${limitMs} ms`))
    const timer = setTimeout(late, limitMs)
    return { [Symbol.dispose]: () => clearTimeout(timer) }
  }

  #refuseLasting(): void {
    const { lasting } = this.#backend.watch
    if (lasting === undefined || !isShared(this.#target)) return
    this.#isSpoiled = true
    throw lastingCommandError(lasting)
  }

  async #clean(trust: Trust): Promise<void> {
    if (isShared(this.#target)) return this.#cleanShared(trust)
    const evidence = {
      transaction: this.transaction,
      residue: this.residue,
      hasLoaded: this.#backend.watch.hasLoaded,
      preparedStatements: this.#sender.preparedStatements,
    }
    const why = whyUnusable(trust, evidence)
    if (why) throw this.#backend.unclean(why)
    const commands = cleaningCommands(trust, evidence)
    for (const command of commands) await this.#sender.command(command)
    if (isPooled(this.#target) && commands.length > 0) await this.#sender.command(settingsText(this.#target))
    if (this.transaction !== 'idle') throw this.#backend.unclean('a transaction is still open')
    this.#backend.watch.forget()
  }

  /** What was left in another backend is out of reach; what the pooler keeps for us ends with the connection. */
  async #cleanShared(trust: Trust): Promise<void> {
    if (this.transaction !== 'idle') await this.#sender.command('rollback')
    const strayed = strayedSetting(this.#target, this.parameters)
    const isUsable = trust === 'application' && !this.#isSpoiled && strayed === undefined
    if (!isUsable) throw this.#backend.unclean(strayed ? `${strayed} was changed` : 'it shares its backends')
    if (this.transaction !== 'idle') throw this.#backend.unclean('a transaction is still open')
    this.#backend.watch.forget()
  }
}
