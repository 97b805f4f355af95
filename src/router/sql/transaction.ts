import type { Connection, Trust } from '../../connection/connection.ts'
import { PostgresError } from '../../connection/driver.ts'
import type { TransactionSql } from '../../connection/sql.ts'
import { ConnectionLostError, SqlError, UnsupportedError } from '../../errors.ts'
import type { ConnectionSource, HeldConnection } from './connection-source.ts'
import { isHeldAround, runHolding } from './enclosure.ts'
import { EndableSource } from './endable-source.ts'
import { ExclusiveSource } from './exclusive-source.ts'
import type { HandleTypes } from './handle-types.ts'
import { StatementRunner } from './statement-runner.ts'
import { createTag } from './tag.ts'

export type TransactionBody = (sql: TransactionSql) => unknown

/** One BEGIN to its COMMIT or ROLLBACK. Its statements run one after another, in the order they were issued. */
export class Transaction {
  readonly #connection: Connection
  readonly #source: ExclusiveSource
  readonly #types: HandleTypes
  readonly #trust: Trust
  readonly #control: (text: string) => Promise<{ readonly command: string }>
  #savepoints = 0

  /** @param held stays the caller's, who releases it afterwards. */
  constructor(held: HeldConnection, types: HandleTypes, trust: Trust) {
    this.#connection = held.connection
    this.#source = new ExclusiveSource(held.connection, held)
    this.#types = types
    this.#trust = trust
    const sql = createTag(new StatementRunner(this.#source, types, trust))
    this.#control = (text) => sql.unsafe(text)
  }

  /**
   * Begins, runs `body` and commits. Rolls back when the body throws, or when a statement of its own failed
   * (caught or not: the server has given the transaction up), and rejects.
   * @param mode what may follow BEGIN; only letters and blanks of it are used.
   */
  async run(mode: string, body: TransactionBody): Promise<unknown> {
    await this.#control(`begin ${mode.replace(/[^a-z ]/gi, '')}`)
    const result = await this.#orUndo('rollback', body)
    const { command } = await this.#control('commit')
    if (command !== 'COMMIT') throw rolledBack()
    return result
  }

  async #savepoint(turns: ConnectionSource, name: string, body: TransactionBody): Promise<unknown> {
    // Siblings take turns: to roll back to the first would undo the second. From within one it is nesting.
    const turn = isHeldAround(turns) ? undefined : await turns.hold()
    try {
      const savepoint = `"s${this.#savepoints++}${name && `_${name.replaceAll('"', '""')}`}"`
      await this.#control(`savepoint ${savepoint}`)
      return await runHolding(turns, () => this.#orUndo(`rollback to ${savepoint}`, body))
    } finally {
      turn?.release()
    }
  }

  async #orUndo(undo: string, body: TransactionBody): Promise<unknown> {
    try {
      return await this.#runBody(body)
    } catch (error) {
      await this.#undo(undo)
      throw error
    }
  }

  /** Runs a body and waits for all it has issued. Its handle is refused afterwards. */
  async #runBody(body: TransactionBody): Promise<unknown> {
    const failures: unknown[] = []
    const source = new EndableSource(this.#source)
    const runner = new StatementRunner(source, this.#types, this.#trust, (query) => {
      query.catch((error: unknown) => failures.push(error))
    })
    const turns = new EndableSource(new ExclusiveSource(this.#connection))
    const savepoint = (...call: [string, TransactionBody] | [TransactionBody]) => {
      const [name, inner] = call.length === 2 ? call : (['', call[0]] as const)
      return this.#savepoint(turns, name, inner)
    }
    // The driver's own type of a transaction's handle, without its two-phase commit.
    const sql = Object.assign(createTag(runner), { savepoint, prepare }) as TransactionSql
    const whenAllIsDone = () => Promise.all([source.end(), turns.end()])
    try {
      const answer = body(sql)
      const result = await (Array.isArray(answer) ? Promise.all(answer) : answer)
      await whenAllIsDone()
      if (failures.length > 0) throw failures[0]
      return result
    } catch (error) {
      await whenAllIsDone()
      throw isAfterFailure(error) ? (failures[0] ?? error) : error
    }
  }

  async #undo(text: string): Promise<void> {
    // Taken back, it is for the owner to clean.
    if (!this.#connection.isOpen || this.#source.isRevoked) return
    try {
      await this.#control(text)
    } catch (cause) {
      this.#connection.destroy(new ConnectionLostError(`${text} failed`, { cause }))
    }
  }
}

function prepare(): never {
  throw new UnsupportedError('a two-phase commit', 'let the transaction commit when its body returns')
}

/** "current transaction is aborted": tells nothing; the failure before it does. */
function isAfterFailure(error: unknown): boolean {
  return error instanceof PostgresError && error.code === '25P02'
}

/** Postgres answers ROLLBACK to the COMMIT of a failed transaction, and does not call that an error. */
function rolledBack(): SqlError {
  return new SqlError({ code: '40000', message: 'the transaction had failed and was rolled back' })
}
