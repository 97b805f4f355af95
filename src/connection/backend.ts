import type { Socket } from 'node:net'
import { ConnectionLostError, OutcomeUnknownError } from '../errors.ts'
import { requestCancel } from './cancel-request.ts'
import type { AnswerCaps, ConnectionTarget, TypeProfile } from './connection.ts'
import type { DriverClient } from './driver.ts'
import type { DriverQuery } from './driver-query.ts'
import type { LoggedIn } from './login.ts'
import { Message } from './message-reader.ts'
import { isPooled, isTurnedAway } from './pooled-session.ts'
import { RunningStatement, type StatementHost } from './running-statement.ts'
import { SessionWatch } from './session-watch.ts'
import { whereReached } from './socket.ts'
import { nameOf } from './socket-step.ts'

const TERMINATE = Buffer.from([0x58, 0, 0, 0, 4])
const SYNC = Buffer.from([0x53, 0, 0, 0, 4])
/** A peer that does not answer the goodbye keeps the socket no longer. */
const CLOSE_TIMEOUT_MS = 1_000
const CANCEL_TIMEOUT_MS = 2_000

/**
 * A socket with a server's process behind it, which takes query objects one after another. Whoever calls
 * sees to it that no two overlap. However it ends, the running query is settled.
 */
export class Backend {
  readonly watch = new SessionWatch(() => this.#running)
  /** Settles when the socket has closed. */
  readonly closed: Promise<void>
  readonly #login: LoggedIn
  readonly #target: ConnectionTarget
  readonly #reached: ConnectionTarget
  readonly #socket: Socket
  readonly #client: DriverClient
  /** Why nothing more is sent; undefined while open. */
  #end: Error | undefined
  #running: RunningStatement | undefined
  /** Of the running statement: what the driver had written before it. */
  #writesBefore = 0
  #cancelling: Promise<void> | undefined
  #cancelOver: AbortController | undefined
  /** The server showed that its process has gone: its own end of the stream, or a reset while nothing ran. */
  #hasServerEnded = false
  readonly #host: StatementHost = {
    cancel: () => void this.cancel(),
    dropRows: () => this.#login.reader.drop(Message.dataRow),
    sync: () => void this.#socket.write(SYNC),
    destroy: (cause) => this.destroy(cause),
  }

  /** Takes the socket over. */
  constructor(login: LoggedIn, target: ConnectionTarget) {
    this.#login = login
    this.#target = target
    this.#reached = whereReached(target, login.socket)
    this.#socket = login.socket
    this.#client = login.client
    this.closed = new Promise((resolve) => {
      this.#socket.once('close', () => {
        this.#lose()
        resolve()
      })
    })
    this.#socket.on('error', (cause) => {
      // Under a statement, its process may be at work still. Any other error is our side's guess at a silent peer.
      if (!this.#running && isReset(cause)) this.#hasServerEnded = true
      this.destroy(cause)
    })
    this.#socket.on('end', () => {
      this.#hasServerEnded = true
      this.destroy(new Error('the server ended the connection'))
    })
    this.#socket.on('data', (chunk) => {
      if (this.#running) this.#running.within(() => this.#receive(chunk))
      else this.#receive(chunk)
    })
    this.#socket.resume()
  }

  get isOpen(): boolean {
    return this.#end === undefined
  }

  /** What the server reports of its settings (`server_version`, `TimeZone`, …), kept current. */
  get parameters(): Readonly<Record<string, string>> {
    return this.#client.parameters
  }

  /** It ended, and the server did not show that it ended too: the process there may be at work, or wait for us. */
  get mayLiveOn(): boolean {
    return !this.isOpen && !this.#hasServerEnded && this.watch.fatal === undefined
  }

  get isRunning(): boolean {
    return this.#running !== undefined
  }

  /** The cancel that is under way: it could hit a statement sent before it has ended. */
  get cancelling(): Promise<void> | undefined {
    return this.#cancelling
  }

  /**
   * Runs a query object; resolves with what the driver resolved it with.
   * @param onStream takes the stream of a COPY; without it COPY is refused
   * @throws what the driver rejected it with, or an error of ours.
   */
  send(
    query: DriverQuery,
    profile: TypeProfile,
    caps: AnswerCaps,
    onStream?: (stream: unknown) => void,
  ): Promise<unknown> {
    if (this.#end) return Promise.reject(this.lost())
    const running = new RunningStatement(query, caps, this.#host, onStream)
    this.#writesBefore = this.#client.socket.writes
    this.#running = running
    this.watch.begin()
    this.#client.profile = profile
    this.#client.submit(query)
    return running.ended
  }

  /** Ends the running statement, or the connection where that cannot be done in time. Never rejects. */
  cancel(reason?: Error): Promise<void> {
    const running = this.#running
    if (!running || this.#end) return this.#cancelling ?? Promise.resolve()
    running.cancel(reason)
    const isWanted = () => this.#running === running
    this.#cancelling ??= this.#requestCancel(isWanted)
    return this.#cancelling
  }

  async #requestCancel(isWanted: () => boolean): Promise<void> {
    this.#cancelOver = new AbortController()
    const { signal } = this.#cancelOver
    try {
      await requestCancel(this.#reached, this.#login.key, CANCEL_TIMEOUT_MS, isWanted, signal)
    } catch (cause) {
      // It rejects with errors alone.
      this.destroy(cause as Error)
    } finally {
      this.#cancelling = undefined
    }
  }

  /** Says goodbye and waits for the socket to close. */
  async close(): Promise<void> {
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

  /** For a statement that was not sent. */
  lost(): ConnectionLostError {
    return new ConnectionLostError(this.#words('has ended'), {
      cause: this.#end,
      lastWords: this.watch.fatal,
    })
  }

  /** For a session that may not have another user. */
  unclean(why: string): ConnectionLostError {
    return new ConnectionLostError(this.#words(`cannot be used again: ${why}`))
  }

  #receive(chunk: Buffer): void {
    const running = this.#running
    const passed = this.#read(chunk)
    running?.count(chunk.length)
    if (!running && this.watch.fatal) this.destroy(new Error('the server ended the session'))
    if (this.watch.isUntimely && isPooled(this.#target))
      this.destroy(new Error('the pooler answered what nobody had asked'))
    if (this.#socket.destroyed || !passed) return
    this.#client.socket.deliver(passed)
    // The driver pauses for a slow reader of a COPY and forgets to resume when the copy ends in that chunk.
    if (running?.isCopied) this.#socket.resume()
    if (!running?.isReady) return
    running.isReady = false
    // Without an outcome the driver sends the statement again, as after a change of its cached plan.
    if (!running.hasOutcome) return
    if (running.isRejected) this.watch.noteRejection()
    this.#running = undefined
    this.#login.reader.passAll()
    running.complete()
  }

  #read(chunk: Buffer): Buffer | undefined {
    try {
      return this.#login.reader.read(chunk, this.watch)
    } catch (cause) {
      this.destroy(cause instanceof Error ? cause : new Error(String(cause)))
      return undefined
    }
  }

  /** The socket has closed. */
  #lose(): void {
    this.destroy(new Error('the socket closed'))
    this.#cancelOver?.abort(this.lost())
    const running = this.#running
    this.#running = undefined
    const isTurnedBack = isPooled(this.#target) && isTurnedAway(this.watch.fatal)
    const wasSent = this.#client.socket.writes > this.#writesBefore && !isTurnedBack
    running?.fail(wasSent ? this.#outcomeUnknown() : this.lost())
  }

  #outcomeUnknown(): OutcomeUnknownError {
    const lastWords = this.watch.fatal
    return new OutcomeUnknownError(this.#words('was lost while a statement ran'), {
      cause: this.#end,
      lastWords,
    })
  }

  #words(what: string): string {
    const { fatal } = this.watch
    const why = fatal ? `${fatal.sqlstate}: ${fatal.message}` : this.#end?.message
    return `the connection to ${nameOf(this.#target)} ${what}${why ? ` (${why})` : ''}`
  }
}

/** A host that answers so knows of no such connection. */
function isReset(cause: Error): boolean {
  return 'code' in cause && (cause.code === 'ECONNRESET' || cause.code === 'EPIPE')
}
