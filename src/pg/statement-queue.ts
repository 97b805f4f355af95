import { PostgresError } from '../connection/driver.ts'
import { OneTripQuery } from '../connection/one-trip-query.ts'
import { canDispatch, type SqlConnection } from '../connection/sql-connection.ts'
import { queryOf } from '../connection/statement-query.ts'
import { LeaseReleasedError, OutcomeUnknownError, UnsupportedError } from '../errors.ts'
import type { Lease } from '../router/lease.ts'
import { Answer, type TypeParsers } from './answer.ts'
import type { Answered, QueryCall } from './query-call.ts'
import { WIRE_PROFILE, wireValues } from './wire-values.ts'

export interface QueueEvents {
  onNotice(notice: object): void
  /** Everything that was asked for has been answered. */
  onDrained(): void
}

/** The statements of one client on its lease, one after another in the order in which they were asked for. */
export class StatementQueue {
  readonly #lease: Lease
  readonly #types: TypeParsers
  readonly #events: QueueEvents
  /** Texts of the statements that have a name. */
  readonly #named = new Map<string, string>()
  #last: Promise<unknown> = Promise.resolve()
  #waiting = 0
  #isClosed = false

  /** The lease stays the caller's. */
  constructor(lease: Lease, types: TypeParsers, events: QueueEvents) {
    this.#lease = lease
    this.#types = types
    this.#events = events
  }

  /**
   * @throws {pg.DatabaseError} what Postgres says of the statement; {TenantMismatchError | LeaseReleasedError |
   * LeaseExpiredError | UnsupportedError} and what `Connection.run` throws of the connection.
   */
  run(call: QueryCall): Promise<Answered> {
    const late = call.timeoutMs === undefined ? undefined : new ReadTimeout(call.timeoutMs)
    const answered = this.#inTurn(this.#last, call, late)
    this.#last = answered.catch(() => {})
    return late ? late.race(answered) : answered
  }

  /** Takes no more. @returns what settles when the last has been answered, and never rejects; undefined where it has. */
  close(): Promise<void> | undefined {
    this.#isClosed = true
    return this.#waiting > 0 ? this.quiet() : undefined
  }

  /** Settles when all that was asked for so far has been answered. Never rejects. */
  async quiet(): Promise<void> {
    await this.#last
  }

  async #inTurn(before: Promise<unknown>, call: QueryCall, late: ReadTimeout | undefined): Promise<Answered> {
    if (this.#isClosed) throw new LeaseReleasedError('a statement came after its client had been released')
    this.#lease.guard()
    this.#waiting++
    try {
      await before
      late?.throwIfPast()
      return await this.#perform(call, late)
    } finally {
      this.#waiting--
      if (this.#waiting === 0) this.#events.onDrained()
    }
  }

  async #perform(call: QueryCall, late: ReadTimeout | undefined): Promise<Answered> {
    const connection = this.#connection()
    const answer = new Answer((notice) => this.#events.onNotice(notice))
    const query = this.#queryOf(call)
    const { maxBytes } = this.#lease
    late?.onPast((error) => void connection.cancel(error))
    const sent = connection.dispatch(query, WIRE_PROFILE, { maxBytes, hear: answer.hear })
    const [settled] = await Promise.allSettled([query, sent])
    answer.remember(query)
    if (settled.status === 'rejected') throw this.#reasonOf(settled.reason, answer)
    // It has told nobody anything, and the release of the connection ends it.
    if (answer.ran('LISTEN')) throw listening()
    return answer.read(settled.value, call.rowMode, call.types ?? this.#types)
  }

  /** The connection ends with the lease, and whoever took that away said why. */
  #connection(): SqlConnection {
    if (this.#lease.isOver)
      throw this.#lease.revokedBy ?? new LeaseReleasedError('a statement came after its lease had ended')
    const { connection } = this.#lease
    if (!canDispatch(connection))
      throw new UnsupportedError('a TenantPool on a connection of another driver', 'use lease.run')
    return connection
  }

  #queryOf(call: QueryCall) {
    const text = this.#textOf(call)
    const { params, areTexts } = wireValues(listOf(call.values))
    const { name } = call
    const isForeign = this.#lease.trust === 'foreign'
    const isPlain = name === undefined && params.length === 0 && !call.isExtended
    const statement = {
      text,
      params,
      rowMode: 'array',
      prepare: name !== undefined && !isForeign,
      multiple: isPlain && !isForeign,
    } as const
    return queryOf(statement, WIRE_PROFILE, areTexts ? OneTripQuery : undefined)
  }

  /** As pg: a name stands for one text, which need not be given again. */
  #textOf({ text, name }: QueryCall): string {
    const known = name === undefined ? undefined : this.#named.get(name)
    if (text !== undefined && known !== undefined && text !== known)
      throw new Error(`Prepared statements must be unique - '${name}' was used for a different statement`)
    const meant = text ?? known
    if (meant === undefined)
      throw new Error('A query must have either text or a name. Supplying neither is unsupported.')
    if (name !== undefined) this.#named.set(name, meant)
    return meant
  }

  #reasonOf(error: unknown, answer: Answer): unknown {
    // Where the connection was lost under what was taken away, nobody knows what that has done.
    if (error instanceof OutcomeUnknownError) return error
    if (this.#lease.revokedBy) return this.#lease.revokedBy
    return error instanceof PostgresError ? (answer.error ?? error) : error
  }
}

function listOf(values: unknown): readonly unknown[] {
  if (!values) return []
  if (!Array.isArray(values)) throw new Error('Query values must be an array')
  return values
}

function listening(): UnsupportedError {
  return new UnsupportedError(
    'LISTEN over a TenantPool',
    'it needs a connection for itself; open one beside the router with a client of pg',
  )
}

/** `query_timeout` of pg, from the call on; here the server is asked to end the statement, too. */
class ReadTimeout {
  readonly #error = new Error('Query read timeout')
  readonly #past: Promise<never>
  readonly #timer: NodeJS.Timeout
  #isPast = false
  #cancel: ((error: Error) => void) | undefined

  constructor(ms: number) {
    let reject: (error: Error) => void = () => {}
    this.#past = new Promise((_, refuse) => {
      reject = refuse
    })
    this.#timer = setTimeout(() => {
      this.#isPast = true
      reject(this.#error)
      this.#cancel?.(this.#error)
    }, ms)
  }

  throwIfPast(): void {
    if (this.#isPast) throw this.#error
  }

  /** For a statement that has been sent. */
  onPast(cancel: (error: Error) => void): void {
    this.#cancel = cancel
  }

  async race<T>(answered: Promise<T>): Promise<T> {
    // The last word of a statement that nobody waits for any more.
    const ended = answered.finally(() => clearTimeout(this.#timer))
    ended.catch(() => {})
    return await Promise.race([ended, this.#past])
  }
}
