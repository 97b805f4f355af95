import type { Socket } from 'node:net'
import { ConnectionLostError, InternalError, OutcomeUnknownError } from '../errors.ts'
import { requestCancel } from './cancel-request.ts'
import type {
  Connection,
  ConnectionTarget,
  Residue,
  Statement,
  StatementResult,
  Trust,
  TypeProfile,
} from './connection.ts'
import type { DriverClient } from './driver.ts'
import type { DriverQuery } from './driver-query.ts'
import { GuardedCallbacks } from './guarded-callbacks.ts'
import type { LoggedIn } from './login.ts'
import type { MessageReader } from './message-reader.ts'
import { SOFT_RESET } from './residue.ts'
import { RunningStatement, type StatementHost } from './running-statement.ts'
import { SessionWatch } from './session-watch.ts'
import { nameOf } from './socket-step.ts'
import { cancelledError, scrubbed, statementError } from './sql-error.ts'
import { queryOf, resultOf, withBlanks } from './statement-query.ts'
import { driverProfile } from './type-profile.ts'

const TERMINATE = Buffer.from([0x58, 0, 0, 0, 4])
/** A peer that does not answer the goodbye keeps the socket no longer. */
const CLOSE_TIMEOUT_MS = 1_000
const CANCEL_TIMEOUT_MS = 2_000
/** A tenant can make cleaning wait, as for a lock on its own temporary table. */
const CLEAN_TIMEOUT_MS = 5_000
/** Reaches CommandComplete and does nothing else, which puts the driver's row counter back to zero. */
const NOTHING = 'select'

export interface DispatchOptions {
  /** The cap in bytes on what the answer holds before its reader takes it: the whole of it, or a cursor's batch. */
  readonly maxBytes?: number
}

/** A `Connection` over postgres.js as a protocol engine. The states are those of the port. */
export class DriverConnection implements Connection {
  readonly pid: number
  readonly openedAt = performance.now()
  readonly closed: Promise<void>
  readonly #login: LoggedIn
  readonly #target: ConnectionTarget
  readonly #socket: Socket
  readonly #client: DriverClient
  readonly #reader: MessageReader
  readonly #watch = new SessionWatch(() => this.#running)
  /** Why no further statement is taken; undefined while open. */
  #end: Error | undefined
  /** From the call of a statement to its settling, its reset and its cancel included. */
  #isBusy = false
  #running: RunningStatement | undefined
  /** Of the running statement: what the driver had written before it. */
  #writesBefore = 0
  #callbacks: GuardedCallbacks | undefined
  #cancelling: Promise<void> | undefined
  #wasCancelled = false
  #preparedStatements = 0
  readonly #host: StatementHost = {
    cancel: () => void this.cancel(),
    destroy: (cause) => this.destroy(cause),
  }

  /** Takes the socket over. */
  constructor(login: LoggedIn, target: ConnectionTarget) {
    this.pid = login.key.pid
    this.#login = login
    this.#target = target
    this.#socket = login.socket
    this.#client = login.client
    this.#reader = login.reader
    this.closed = new Promise((resolve) => {
      this.#socket.once('close', () => {
        this.#lose()
        resolve()
      })
    })
    this.#socket.on('error', (cause) => this.destroy(cause))
    this.#socket.on('end', () => this.destroy(new Error('the server ended the connection')))
    this.#socket.on('data', (chunk) => this.#receive(chunk))
    this.#socket.resume()
  }

  get isOpen(): boolean {
    return this.#end === undefined
  }

  get isBusy(): boolean {
    return this.#isBusy
  }

  get transaction(): 'idle' | 'open' | 'failed' {
    return this.#watch.transaction
  }

  get residue(): Residue {
    return this.#watch.residue
  }

  get preparedStatements(): number {
    return this.#preparedStatements
  }

  async run(statement: Statement): Promise<StatementResult> {
    const profile = statement.profile ?? driverProfile
    const query = queryOf(statement, profile)
    try {
      const value = await this.#perform(query, profile, statement.maxBytes)
      return resultOf(value, this.#watch.tag)
    } catch (error) {
      throw this.#wasCancelled ? cancelledError(error) : statementError(error)
    }
  }

  /**
   * Runs a query object that a user of postgres.js made and settles it, always, as postgres.js would, with
   * values by `profile`; a loss of the connection rejects it with our errors. COPY, cursors, `forEach` and
   * `describe` work. Resolves when the connection is free for the next statement; never rejects.
   */
  async dispatch(query: DriverQuery, profile: TypeProfile, options: DispatchOptions = {}): Promise<void> {
    const { resolve, reject } = query
    const callbacks = new GuardedCallbacks(query, () => void this.cancel())
    let value: unknown
    try {
      withBlanks(query, profile.blanks)
      value = await this.#perform(query, profile, options.maxBytes, { callbacks, onStream: resolve })
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
    const running = this.#running
    if (!running || this.#end) return this.#cancelling ?? Promise.resolve()
    this.#wasCancelled = true
    running.cancel(reason)
    this.#callbacks?.stop(reason)
    this.#cancelling ??= requestCancel(
      this.#target,
      this.#login.key,
      CANCEL_TIMEOUT_MS,
      () => this.#running === running,
    )
      .catch((cause: Error) => this.destroy(cause))
      .finally(() => {
        this.#cancelling = undefined
      })
    return this.#cancelling
  }

  async clean(trust: Trust): Promise<void> {
    const late = () => this.destroy(new Error(`cleaning took over ${CLEAN_TIMEOUT_MS} ms`))
    const timer = setTimeout(late, CLEAN_TIMEOUT_MS)
    try {
      await this.#exclusively(() => (trust === 'foreign' ? this.#discardAll() : this.#cleanByEvidence()))
      this.#watch.forget()
    } catch (error) {
      throw statementError(error)
    } finally {
      clearTimeout(timer)
    }
  }

  async close(): Promise<void> {
    if (this.#isBusy) throw new InternalError('close() of a busy connection')
    if (!this.#end) {
      this.#end = new Error('closed by us')
      this.#socket.end(TERMINATE)
    }
    const timer = setTimeout(() => this.#socket.destroy(), CLOSE_TIMEOUT_MS)
    await this.closed
    clearTimeout(timer)
  }

  destroy(cause: Error): void {
    this.#end ??= cause
    this.#client.socket.detach()
    this.#socket.destroy()
  }

  #perform(
    query: DriverQuery,
    profile: TypeProfile,
    maxBytes = Number.POSITIVE_INFINITY,
    user?: { readonly callbacks: GuardedCallbacks; readonly onStream: (stream: unknown) => void },
  ): Promise<unknown> {
    return this.#exclusively(async () => {
      // postgres.js 3.4.9, issue 1119: rows of a statement that failed would be holes in the next one's.
      if (this.#watch.hasRowsLeft && this.transaction !== 'failed') await this.#resetRowCounter()
      this.#callbacks = user?.callbacks
      return this.#send(query, profile, maxBytes, user?.onStream)
    })
  }

  async #exclusively<T>(work: () => Promise<T>): Promise<T> {
    if (this.#isBusy) throw new InternalError('a second statement on a busy connection')
    if (this.#end) throw this.#lost()
    this.#isBusy = true
    this.#wasCancelled = false
    try {
      return await work()
    } finally {
      // A cancel that is still under way could hit the next statement.
      if (this.#cancelling) await this.#cancelling
      this.#callbacks = undefined
      this.#isBusy = false
    }
  }

  async #send(
    query: DriverQuery,
    profile: TypeProfile,
    maxBytes: number,
    onStream?: (stream: unknown) => void,
  ): Promise<unknown> {
    if (this.#end) throw this.#lost()
    const running = new RunningStatement(query, maxBytes, this.#host, onStream)
    this.#writesBefore = this.#client.socket.writes
    this.#running = running
    this.#client.profile = profile
    this.#client.submit(query)
    try {
      return await running.ended
    } finally {
      if (query.prepare && !query.prepared) this.#preparedStatements++
    }
  }

  /** A statement of our own, of text only. */
  #command(text: string): Promise<unknown> {
    return this.#send(
      queryOf({ text, multiple: true }, driverProfile),
      driverProfile,
      Number.POSITIVE_INFINITY,
    )
  }

  async #resetRowCounter(): Promise<void> {
    try {
      await this.#command(NOTHING)
    } catch (cause) {
      this.destroy(cause instanceof Error ? cause : new Error(String(cause)))
      throw this.#lost()
    }
  }

  async #cleanByEvidence(): Promise<void> {
    if (this.residue === 'unusable')
      throw this.#unclean('prepared statements were changed or a library loaded')
    const rollback = this.transaction === 'idle' ? [] : ['rollback']
    const reset = this.residue === 'session' ? [SOFT_RESET] : []
    const commands = [...rollback, ...reset].join('; ')
    if (commands) await this.#command(commands)
    if (this.transaction !== 'idle') throw this.#unclean('a transaction is still open')
  }

  /** DISCARD ALL runs in no transaction, not even in that of a text with two commands. */
  async #discardAll(): Promise<void> {
    if (this.#watch.hasLoaded) throw this.#unclean('a library was loaded')
    if (this.#preparedStatements > 0) throw this.#unclean('the driver holds named statements')
    if (this.transaction !== 'idle') await this.#command('rollback')
    await this.#command('discard all')
  }

  #receive(chunk: Buffer): void {
    const running = this.#running
    try {
      this.#reader.read(chunk, this.#watch)
    } catch (cause) {
      this.destroy(cause instanceof Error ? cause : new Error(String(cause)))
    }
    running?.count(chunk.length)
    if (!running && this.#watch.fatal) this.destroy(new Error('the server ended the session'))
    if (this.#socket.destroyed) return
    this.#client.socket.deliver(chunk)
    if (!running?.isReady) return
    running.isReady = false
    // Without an outcome the driver sends the statement again, as after a change of its cached plan.
    if (!running.hasOutcome) return
    if (running.isRejected) this.#watch.noteRejection()
    this.#running = undefined
    running.complete()
  }

  /** The socket has closed. */
  #lose(): void {
    this.destroy(new Error('the socket closed'))
    const running = this.#running
    this.#running = undefined
    running?.fail(
      this.#client.socket.writes > this.#writesBefore
        ? new OutcomeUnknownError(this.#words('was lost while a statement ran'), { cause: this.#end })
        : this.#lost(),
    )
  }

  #lost(): ConnectionLostError {
    return new ConnectionLostError(this.#words('has ended'), { cause: this.#end })
  }

  #unclean(why: string): ConnectionLostError {
    return new ConnectionLostError(this.#words(`cannot be used again: ${why}`))
  }

  #words(what: string): string {
    const { fatal } = this.#watch
    const why = fatal ? `${fatal.sqlstate}: ${fatal.message}` : this.#end?.message
    return `the connection to ${nameOf(this.#target)} ${what}${why ? ` (${why})` : ''}`
  }
}
