import type { Residue } from './connection.ts'
import { Message, type MessageVisitor } from './message-reader.ts'
import { type CommandTag, NO_COMMAND, readCommandTag, residueOf, worse } from './residue.ts'
import type { RunningStatement } from './running-statement.ts'
import { readServerError, type ServerError } from './sql-error.ts'

const IN_TRANSACTION = 0x54 // T
const IN_FAILED_TRANSACTION = 0x45 // E

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
  /** The server's last words: after a FATAL error it ends the connection. */
  fatal: ServerError | undefined
  readonly #running: () => RunningStatement | undefined

  constructor(running: () => RunningStatement | undefined) {
    this.#running = running
  }

  /** A statement is sent. */
  begin(): void {
    this.tag = NO_COMMAND
    this.sawRows = false
  }

  header(type: number, length: number): boolean {
    this.#running()?.header(type, length)
    switch (type) {
      case Message.dataRow:
        this.hasRowsLeft = true
        this.sawRows = true
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
        return false
    }
  }

  message(type: number, body: Buffer): void {
    if (type === Message.commandComplete) this.#completed(readCommandTag(body))
    else if (type === Message.readyForQuery) this.#ready(body[0])
    else this.#failed(readServerError(body))
  }

  /** A rejected statement may have done part of its work, and a procedure commits on its way. */
  noteRejection(): void {
    this.residue = worse(this.residue, 'session')
  }

  /** After the session was cleaned. */
  forget(): void {
    this.residue = 'none'
  }

  #completed(tag: CommandTag): void {
    this.tag = tag
    this.hasRowsLeft = false
    this.residue = worse(this.residue, residueOf(tag.command))
    if (tag.command === 'LOAD') this.hasLoaded = true
  }

  #ready(status: number | undefined): void {
    this.transaction =
      status === IN_TRANSACTION ? 'open' : status === IN_FAILED_TRANSACTION ? 'failed' : 'idle'
    const running = this.#running()
    if (running) running.isReady = true
  }

  #failed(error: ServerError): void {
    if (error.severity === 'FATAL' || error.severity === 'PANIC') this.fatal = error
  }
}
