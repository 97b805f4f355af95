import type { Socket } from 'node:net'
import type { DatabaseError } from 'pg'
import { requestCancel } from '../../src/connection/cancel-request.ts'
import type { AnswerCaps, ConnectionTarget } from '../../src/connection/connection.ts'
import { Message } from '../../src/connection/message-reader.ts'
import { SessionWatch } from '../../src/connection/session-watch.ts'
import { nameOf } from '../../src/connection/socket-step.ts'
import {
  ConnectionLostError,
  OutcomeUnknownError,
  ResultTooLargeError,
  UnsupportedError,
} from '../../src/errors.ts'
import { isQueryCanceled } from './pg-error.ts'
import type { PgLogin } from './pg-login.ts'
import type { PgStatement } from './pg-statement.ts'

const TERMINATE = Buffer.from([0x58, 0, 0, 0, 4])
const CLOSE_TIMEOUT_MS = 1_000
const CANCEL_TIMEOUT_MS = 2_000
const CANCEL_GRACE_MS = 2_000
const UNLIMITED = Number.POSITIVE_INFINITY
const COPY_IN = 0x47
const COPY_OUT = 0x48

/** Of one statement between its sending and its ReadyForQuery. */
interface Running {
  readonly query: PgStatement
  readonly caps: AnswerCaps
  readonly writesBefore: number
  readonly settle: (error?: Error) => void
  isReady: boolean
  bytes: number
  rows: number
  /** Our own reason why it ends; it goes before the server's. */
  verdict?: Error
  cancelReason?: Error | undefined
  timer?: NodeJS.Timeout
  header(type: number, length: number): void
  hears(type: number): boolean
  hear(type: number, body: Buffer): void
}

/** A socket with a server's process behind it, which takes statements one after another. */
export class PgBackend {
  readonly watch: SessionWatch
  readonly closed: Promise<void>
  readonly #login: PgLogin
  readonly #target: ConnectionTarget
  readonly #socket: Socket
  #end: Error | undefined
  #running: Running | undefined
  #cancelling: Promise<void> | undefined
  #cancelOver: AbortController | undefined
  #hasServerEnded = false

  /** Takes the socket over. */
  constructor(login: PgLogin, target: ConnectionTarget) {
    this.#login = login
    this.#target = target
    this.#socket = login.socket
    this.watch = new SessionWatch(() => this.#running)
    this.closed = new Promise((resolve) => {
      this.#socket.once('close', () => {
        this.#lose()
        resolve()
      })
    })
    this.#socket.on('error', (cause: NodeJS.ErrnoException) => {
      if (!this.#running && (cause.code === 'ECONNRESET' || cause.code === 'EPIPE'))
        this.#hasServerEnded = true
      this.destroy(cause)
    })
    this.#socket.on('end', () => {
      this.#hasServerEnded = true
      this.destroy(new Error('the server ended the connection'))
    })
    this.#socket.on('data', (chunk) => this.#receive(chunk))
    this.#socket.resume()
  }

  get isOpen(): boolean {
    return this.#end === undefined
  }

  get mayLiveOn(): boolean {
    return !this.isOpen && !this.#hasServerEnded && this.watch.fatal === undefined
  }

  get isRunning(): boolean {
    return this.#running !== undefined
  }

  get cancelling(): Promise<void> | undefined {
    return this.#cancelling
  }

  /** Resolves when the server is ready for the next; the rows are in `query`. */
  send(query: PgStatement, caps: AnswerCaps): Promise<void> {
    if (this.#end) return Promise.reject(this.lost())
    return new Promise((resolve, reject) => {
      const running: Running = {
        query,
        caps,
        writesBefore: this.#login.side.writes,
        settle: (error) => {
          clearTimeout(running.timer)
          if (error) reject(error)
          else resolve()
        },
        isReady: false,
        bytes: 0,
        rows: 0,
        header: (type, length) => this.#judge(running, type, length),
        hears: () => false,
        hear: () => {},
      }
      this.#running = running
      this.watch.begin()
      this.#login.client.query(query)
    })
  }

  cancel(reason?: Error): Promise<void> {
    const running = this.#running
    if (!running || this.#end) return this.#cancelling ?? Promise.resolve()
    running.cancelReason ??= reason
    const isWanted = () => this.#running === running
    if (this.#cancelling) return this.#cancelling
    this.#cancelOver = new AbortController()
    const { signal } = this.#cancelOver
    this.#cancelling = requestCancel(this.#target, this.#login.key, CANCEL_TIMEOUT_MS, isWanted, signal)
      .catch((cause: Error) => this.destroy(cause))
      .finally(() => {
        this.#cancelling = undefined
      })
    return this.#cancelling
  }

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
    this.#login.side.detach()
    this.#socket.destroy()
  }

  lost(): ConnectionLostError {
    return new ConnectionLostError(this.#words('has ended'), { cause: this.#end })
  }

  unclean(why: string): ConnectionLostError {
    return new ConnectionLostError(this.#words(`cannot be used again: ${why}`))
  }

  #receive(chunk: Buffer): void {
    const running = this.#running
    const passed = this.#read(chunk)
    if (running) this.#count(running, chunk.length)
    if (!running && this.watch.fatal) this.destroy(new Error('the server ended the session'))
    if (this.#socket.destroyed || !passed) return
    // pg takes a FATAL error without a statement for the end of its client.
    this.#login.side.deliver(passed)
    if (!running?.isReady) return
    this.#running = undefined
    this.#login.reader.passAll()
    this.#complete(running)
  }

  #complete(running: Running): void {
    // Parse boundary: what pg calls `handleError` with.
    const error = running.query.error as DatabaseError | undefined
    if (error) this.watch.noteRejection()
    const cancelled = isQueryCanceled(error) ? running.cancelReason : undefined
    running.settle(running.verdict ?? cancelled ?? error)
  }

  #read(chunk: Buffer): Buffer | undefined {
    try {
      return this.#login.reader.read(chunk, this.watch)
    } catch (cause) {
      this.destroy(cause instanceof Error ? cause : new Error(String(cause)))
      return undefined
    }
  }

  #judge(running: Running, type: number, length: number): void {
    if (type === Message.readyForQuery) return
    if (type === COPY_IN || type === COPY_OUT) {
      running.verdict = new UnsupportedError('COPY in a plain statement', 'use INSERT and SELECT')
      this.destroy(running.verdict)
    }
    if (type === Message.dataRow) running.rows++
    if (length <= (running.caps.maxBytes ?? UNLIMITED)) return
    running.verdict ??= tooLarge(running)
    this.destroy(running.verdict)
  }

  #count(running: Running, bytes: number): void {
    running.bytes += bytes
    if (running.verdict) return
    const { maxBytes = UNLIMITED, maxRows = UNLIMITED, meter } = running.caps
    const isTooLarge = running.bytes > maxBytes || running.rows > maxRows
    const verdict = isTooLarge ? tooLarge(running) : meter?.count(bytes)
    if (!verdict) return
    running.verdict = verdict
    this.#login.reader.drop(Message.dataRow)
    void this.cancel()
    running.timer = setTimeout(() => this.destroy(verdict), CANCEL_GRACE_MS)
  }

  /** The socket has closed. */
  #lose(): void {
    this.destroy(new Error('the socket closed'))
    this.#cancelOver?.abort(this.lost())
    const running = this.#running
    this.#running = undefined
    if (!running) return
    const wasSent = this.#login.side.writes > running.writesBefore
    const lost = wasSent
      ? new OutcomeUnknownError(this.#words('was lost while a statement ran'), { cause: this.#end })
      : this.lost()
    running.settle(running.verdict ?? lost)
  }

  #words(what: string): string {
    const { fatal } = this.watch
    const why = fatal ? `${fatal.sqlstate}: ${fatal.message}` : this.#end?.message
    return `the connection to ${nameOf(this.#target)} ${what}${why ? ` (${why})` : ''}`
  }
}

function tooLarge({ caps }: Running): ResultTooLargeError {
  return new ResultTooLargeError(`an answer of more than ${caps.maxBytes} bytes or ${caps.maxRows} rows`)
}
