import type { Residue } from './connection.ts'
import { Message, type MessageVisitor } from './message-reader.ts'
import { mayChangeTypes } from './own-types.ts'
import { isLasting } from './pooled-session.ts'
import { type CommandTag, NO_COMMAND, readCommandTag, residueOf, worse } from './residue.ts'
import type { RunningStatement } from './running-statement.ts'
import { readServerError, type ServerError } from './sql-error.ts'

/** What a server may say at any time: a notice, a setting's new value, a notification. */
const UNASKED: ReadonlySet<number> = new Set([0x4e, 0x53, 0x41])
/** In one text of several statements the server says how its transaction stands only at the end. */
const BEGINS: ReadonlySet<string> = new Set(['BEGIN', 'START TRANSACTION'])
const ENDS: ReadonlySet<string> = new Set(['COMMIT', 'ROLLBACK'])
/** Read-only SQL transaction. */
const READ_ONLY = '25006'
const IN_TRANSACTION = 0x54 // T
const IN_FAILED_TRANSACTION = 0x45 // E

/** What hears of the messages of its own answer. */
type Watched = Pick<RunningStatement, 'header' | 'isReady' | 'hears' | 'hear'>

/** What the server's own messages say of the session: its transaction, and what statements left behind. */
export class SessionWatch implements MessageVisitor {
  transaction: 'idle' | 'open' | 'failed' = 'idle'
  residue: Residue = 'none'
  /** A library was loaded into the backend, where it stays. */
  hasLoaded = false
  /** Rows came that no CommandComplete followed: the driver's row counter is not zero. */
  hasRowsLeft = false
  /** Of the last command that completed in the current statement. */
  tag: CommandTag = NO_COMMAND
  /** The current statement has answered rows. */
  sawRows = false
  /** Of the current statement, the first command that meant to leave something in its session. */
  lasting: string | undefined
  /** A pooler says that it is ready though nothing was asked or answered (PgBouncer before 1.18, to a late cancel). */
  isUntimely = false
  /** The current statement was planned, and its parameters taken in. */
  isBound = false
  /** Whoever remembers types sets it back. */
  mayHaveChangedTypes = false
  #isAnswered = false
  #isInTransaction = false
  hasRefusedWrite = false
  /** The server's last words: after a FATAL error it ends the connection. */
  fatal: ServerError | undefined
  readonly #running: () => Watched | undefined

  constructor(running: () => Watched | undefined) {
    this.#running = running
  }

  /** A statement is sent. */
  begin(): void {
    this.tag = NO_COMMAND
    this.sawRows = false
    this.isBound = false
    this.lasting = undefined
    this.#isAnswered = false
    this.#isInTransaction = this.transaction !== 'idle'
  }

  header(type: number, length: number): boolean {
    this.#running()?.header(type, length)
    if (type === Message.dataRow) {
      this.#isAnswered = true
      this.hasRowsLeft = true
      this.sawRows = true
      return false
    }
    if (type === Message.readyForQuery && !this.#isAnswered) this.isUntimely = true
    if (!UNASKED.has(type)) this.#isAnswered = type !== Message.readyForQuery
    switch (type) {
      case Message.bindComplete:
        this.isBound = true
        return false
      case Message.portalSuspended:
        // The driver starts anew after each batch.
        this.hasRowsLeft = false
        return false
      case Message.commandComplete:
      case Message.readyForQuery:
      case Message.errorResponse:
        return true
      default:
        return this.#isHeard(type)
    }
  }

  message(type: number, body: Buffer): void {
    this.#running()?.hear(type, body)
    if (type === Message.commandComplete) this.#completed(readCommandTag(body))
    else if (type === Message.readyForQuery) this.#ready(body[0])
    else if (type === Message.errorResponse) this.#failed(readServerError(body))
  }

  /** A rejected statement may have done part of its work, and a procedure commits on its way. */
  noteRejection(): void {
    this.residue = worse(this.residue, 'session')
  }

  /** After the session was cleaned. */
  forget(): void {
    this.residue = 'none'
  }

  #isHeard(type: number): boolean {
    return this.#running()?.hears(type) ?? false
  }

  #completed(tag: CommandTag): void {
    this.tag = tag
    this.hasRowsLeft = false
    const left = residueOf(tag.command)
    if (left !== 'none') {
      this.residue = worse(this.residue, left)
      if (tag.command === 'LOAD') this.hasLoaded = true
      if (mayChangeTypes(tag.command)) this.mayHaveChangedTypes = true
      if (isLasting(tag.command, this.#isInTransaction)) this.lasting ??= tag.command
    }
    if (BEGINS.has(tag.command)) this.#isInTransaction = true
    if (ENDS.has(tag.command)) this.#isInTransaction = false
  }

  #ready(status: number | undefined): void {
    this.transaction =
      status === IN_TRANSACTION ? 'open' : status === IN_FAILED_TRANSACTION ? 'failed' : 'idle'
    const running = this.#running()
    if (running) running.isReady = true
  }

  #failed(error: ServerError): void {
    if (error.sqlstate === READ_ONLY) this.hasRefusedWrite = true
    if (error.severity === 'FATAL' || error.severity === 'PANIC') this.fatal = error
  }
}
