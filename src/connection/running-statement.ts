import { AsyncResource } from 'node:async_hooks'
import { Readable, Stream } from 'node:stream'
import { CancelledError, ResultTooLargeError, UnsupportedError } from '../errors.ts'
import type { AnswerCaps } from './connection.ts'
import { CLOSE, PostgresError } from './driver.ts'
import type { DriverQuery } from './driver-query.ts'
import { Message } from './message-reader.ts'
import { isQueryCanceled } from './sql-error.ts'

/** How long an answer that is too large may go on after its cancel, which SQL can catch and ignore. */
const CANCEL_GRACE_MS = 2_000

export interface StatementHost {
  /** Asks the server to end the statement; the rest of its answer is still read. */
  cancel(): void
  /** Reads over the rows that still come, instead of holding them. */
  dropRows(): void
  /** Asks the server to be ready for the next. */
  sync(): void
  /** Ends the connection under the statement. */
  destroy(cause: Error): void
}

/** What others may hear of an answer. */
const HEARD: ReadonlySet<number> = new Set([
  Message.rowDescription,
  Message.commandComplete,
  Message.noticeResponse,
  Message.errorResponse,
])

type Outcome = { readonly value: unknown } | { readonly error: unknown }

/**
 * One statement between its sending and its ReadyForQuery. The driver settles queries early (a parser that
 * throws), twice (COPY, describe) or not at all (the socket ended); here each ends once, when the server is
 * ready for the next.
 */
export class RunningStatement {
  readonly query: DriverQuery
  readonly ended: Promise<unknown>
  /** The server is ready for the next statement, by its own word. */
  isReady = false
  /** The server has sent the last of a COPY. */
  isCopied = false
  #isOver = false
  /** Of whoever sent it. */
  readonly #context = new AsyncResource('TenantryStatement', { requireManualDestroy: true })
  readonly #host: StatementHost
  readonly #caps: AnswerCaps
  readonly #maxBytes: number
  /** Bytes of the answer since its reader last took a batch. */
  #bytes = 0
  #rows = 0
  #outcome: Outcome | undefined
  /** Our own reason why the statement ends; it goes before the server's. */
  #verdict: Error | undefined
  /** Goes before the server's word that the statement was cancelled. */
  #cancelReason: Error | undefined
  #isCursorClosed = false
  #timer: NodeJS.Timeout | undefined
  #stream: Stream | undefined
  #resolve: (value: unknown) => void = () => {}
  #reject: (error: unknown) => void = () => {}

  /** @param onStream takes the stream of a COPY; without it COPY is refused. */
  constructor(
    query: DriverQuery,
    caps: AnswerCaps,
    host: StatementHost,
    onStream?: (stream: unknown) => void,
  ) {
    this.query = query
    this.#caps = caps
    this.#maxBytes = caps.maxBytes ?? Number.POSITIVE_INFINITY
    this.#host = host
    this.ended = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    query.resolve = (value) => {
      if (value instanceof Stream) this.#takeStream(value, onStream)
      else this.#outcome ??= { value }
    }
    query.reject = (error) => this.#takeError(error)
  }

  /**
   * Runs `work` in the async context of whoever sent the statement: row callbacks, parsers and streams of the user hear
   * from a socket, which has the context of whoever opened it.
   */
  within(work: () => void): void {
    this.#context.runInAsyncScope(work)
  }

  get hasOutcome(): boolean {
    return this.#outcome !== undefined
  }

  /** The server, or the driver on its own, rejected it. */
  get isRejected(): boolean {
    return this.#outcome !== undefined && 'error' in this.#outcome
  }

  /** Counts what came from the socket. COPY and `forEach` hand each row on at once, so nothing adds up there. */
  count(bytes: number): void {
    if (this.query.forEachFn || this.#stream) return
    this.#bytes += bytes
    if (this.#verdict) return
    const verdict = this.#bytes > this.#maxBytes ? this.#tooLarge() : this.#caps.meter?.count(bytes)
    if (verdict) this.#endBy(verdict)
  }

  /** The rest of its answer is not kept. */
  #endBy(verdict: Error): void {
    this.#verdict = verdict
    this.#host.dropRows()
    this.#host.cancel()
    this.#timer = setTimeout(() => this.#host.destroy(verdict), CANCEL_GRACE_MS)
  }

  /** Before the body of a message has come: one value alone may be past the cap, and would be held whole. */
  header(type: number, length: number): void {
    if (type === Message.portalSuspended) this.#bytes = 0
    if (type === Message.copyDone) this.isCopied = true
    if (type === Message.dataRow) this.#countRow()
    // Of a cursor on an empty text the driver hears nothing that it would answer.
    if (type === Message.emptyQuery && this.query.cursorFn) this.#host.sync()
    if (length <= this.#maxBytes) return
    this.#verdict ??= this.#tooLarge()
    this.#host.destroy(this.#verdict)
  }

  /** Whether somebody wants the bodies of such messages. */
  hears(type: number): boolean {
    return this.#caps.hear !== undefined && HEARD.has(type)
  }

  hear(type: number, body: Buffer): void {
    if (this.hears(type)) this.#caps.hear?.(type, body)
  }

  #countRow(): void {
    this.#rows++
    const { maxRows } = this.#caps
    if (maxRows === undefined || this.#rows <= maxRows || this.#verdict) return
    this.#endBy(new ResultTooLargeError(`an answer of more than ${maxRows} rows`))
  }

  /** The server is ready, and the driver has seen it. */
  complete(): void {
    this.#finish()
    if (this.#verdict) this.#reject(this.#verdict)
    else if (this.#isCursorClosed)
      this.#reject(this.#cancelReason ?? new CancelledError('the cursor was cancelled'))
    else if (this.#outcome && 'value' in this.#outcome) this.#resolve(this.#outcome.value)
    else {
      const error = this.#cancelled(this.#outcome?.error) ?? this.#outcome?.error
      this.#reject(error)
      // Nobody else tells the writer of a COPY that the server refused what it wrote.
      destroyStream(this.#stream, error)
    }
  }

  /** The connection has ended under it. */
  fail(error: Error): void {
    this.#finish()
    this.#reject(this.#verdict ?? error)
    this.within(() => destroyStream(this.#stream, error))
  }

  /** It is being cancelled. A COPY that waits for its user's bytes hears nothing of that from the server. */
  cancel(reason: Error | undefined): void {
    this.#cancelReason ??= reason
    this.#closeCursor()
    this.within(() => destroyStream(this.#stream, reason ?? new Error('the statement was cancelled')))
  }

  /** Between its batches a cursor takes no cancel from the server: the next one ends it, seen by nobody. */
  #closeCursor(): void {
    if (!this.query.cursorFn) return
    this.query.cursorFn = () => {
      this.#isCursorClosed = true
      delete this.query.cursorFn // as `GuardedCallbacks` does, and why
      return CLOSE
    }
  }

  #finish(): void {
    this.#isOver = true
    clearTimeout(this.#timer)
  }

  /** Its reader has left. The driver pauses the socket for one that never comes back: the rest is dropped. */
  #drain(stream: Readable): void {
    if (this.#isOver || stream.readableEnded) return
    stream.push = () => true
    stream._read(0)
    this.#host.cancel()
  }

  #cancelled(error: unknown): Error | undefined {
    return isQueryCanceled(error) ? this.#cancelReason : undefined
  }

  #tooLarge(): ResultTooLargeError {
    return new ResultTooLargeError(`an answer of more than ${this.#maxBytes} bytes`)
  }

  #takeError(error: unknown): void {
    this.#outcome ??= { error }
    // The driver sends a Sync for each row of a cursor that its parsers cannot read, and each has an answer.
    if (this.query.cursorFn && !this.isReady && !(error instanceof PostgresError))
      this.#host.destroy(new Error('a row of a cursor could not be read'))
  }

  #takeStream(stream: Stream, onStream: ((stream: unknown) => void) | undefined): void {
    this.#stream = stream
    // The stream's user hears of errors through the stream; one who does not listen must not end the process.
    stream.on('error', () => {})
    if (this.query.streaming && onStream) {
      if (stream instanceof Readable) stream.once('close', () => this.#drain(stream))
      return onStream(stream)
    }
    this.#verdict = new UnsupportedError(
      'COPY FROM STDIN or TO STDOUT in a plain statement',
      'use .writable() or .readable() of a postgres.js query, or INSERT and SELECT',
    )
    this.#host.destroy(this.#verdict)
  }
}

function destroyStream(stream: Stream | undefined, error: unknown): void {
  if (stream && 'destroy' in stream && typeof stream.destroy === 'function') stream.destroy(error)
}
