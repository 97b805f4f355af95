import type { z } from 'zod'
import type { Connection, ConnectionTarget } from '../connection/connection.ts'
import { openConnection } from '../connection/open.ts'
import { NO_SCHEMAS } from '../connection/startup-settings.ts'
import { CancelledError, InternalError, PreconditionFailedError, SqlError } from '../errors.ts'
import { quoteName, quoteText } from './sql-name.ts'

const CONNECT_TIMEOUT_MS = 10_000

/** Nothing that a role or database has set may change what our statements mean, how long they take, or how long we wait. */
const SETTINGS = {
  search_path: NO_SCHEMAS,
  statement_timeout: '60000',
  lock_timeout: '10000',
  idle_session_timeout: '0',
  idle_in_transaction_session_timeout: '0',
}

/**
 * A connection of a lifecycle verb: as the server's admin, or as a tenant's role to look and touch nothing.
 * Statements are unnamed. Whoever opened it disposes of it.
 */
export class Session implements AsyncDisposable {
  readonly connection: Connection

  private constructor(connection: Connection) {
    this.connection = connection
  }

  /**
   * @param signal ends the session, with what runs in it.
   * @throws {ServerUnavailableError | TlsFailedError | LoginFailedError | CancelledError}
   */
  static async open(target: ConnectionTarget, signal?: AbortSignal): Promise<Session> {
    const settings = { ...SETTINGS, ...target.settings }
    const terms = { connectTimeoutMs: CONNECT_TIMEOUT_MS, ...(signal ? { signal } : {}) }
    const connection = await openConnection({ ...target, settings }, terms)
    const session = new Session(connection)
    if (signal) session.#endWith(signal)
    if (target.via === 'transaction-pooler') await session.#keepBackend(settings)
    return session
  }

  #endWith(signal: AbortSignal): void {
    const end = () => this.connection.destroy(new CancelledError('the time for this session is over'))
    signal.addEventListener('abort', end, { once: true })
    if (signal.aborted) end()
    void this.connection.closed.then(() => signal.removeEventListener('abort', end))
  }

  /** One transaction from here on, since only in one does a transaction pooler keep a backend and its settings. */
  async #keepBackend({ default_transaction_read_only: readOnly, ...settings }: Record<string, string>) {
    const calls = Object.entries(settings).map(
      ([name, value]) => `pg_catalog.set_config(${quoteText(name)}, ${quoteText(value)}, true)`,
    )
    try {
      await this.execute(readOnly === 'on' ? 'begin read only' : 'begin')
      await this.execute(`select ${calls.join(', ')}`)
    } catch (error) {
      await this[Symbol.asyncDispose]()
      throw error
    }
  }

  /** As `open`, and the server itself refuses every write. */
  static readOnly(target: ConnectionTarget, signal?: AbortSignal): Promise<Session> {
    const settings = { ...target.settings, default_transaction_read_only: 'on' }
    return Session.open({ ...target, settings }, signal)
  }

  /** Of the server's version: 15, 18. It says so at each login. */
  get majorVersion(): number {
    return Number.parseInt(this.connection.parameters['server_version'] ?? '', 10)
  }

  /** @throws {SqlError | ConnectionLostError | OutcomeUnknownError} */
  async rows<T>(shape: z.ZodType<T>, text: string, params: readonly unknown[] = []): Promise<T[]> {
    const { rows } = await this.connection.run({ text, params, prepare: false })
    return rows.map((row) => shape.parse(row))
  }

  /** The one row that the statement has. */
  async row<T>(shape: z.ZodType<T>, text: string, params: readonly unknown[] = []): Promise<T> {
    const rows = await this.rows(shape, text, params)
    const [row] = rows
    if (row === undefined || rows.length > 1)
      throw new InternalError(`expected one row, found ${rows.length}`)
    return row
  }

  async execute(text: string): Promise<void> {
    await this.connection.run({ text, prepare: false })
  }

  /** As `execute`; what is there already is as good as made. */
  async create(text: string): Promise<void> {
    try {
      await this.execute(text)
    } catch (error) {
      if (!isDuplicate(error)) throw error
    }
  }

  /**
   * Runs a text of several statements, which may neither begin nor end a transaction.
   * @throws {PreconditionFailedError} where it did: what it committed is there.
   */
  async script(text: string): Promise<void> {
    const before = this.connection.transaction
    await this.connection.run({ text, multiple: true, prepare: false })
    if (this.connection.transaction !== before) {
      throw new PreconditionFailedError('The text began or ended a transaction, which it may not.')
    }
  }

  async asRole<T>(role: string, work: () => Promise<T>): Promise<T> {
    await this.execute(`set role ${quoteName(role)}`)
    try {
      return await work()
    } finally {
      if (this.connection.isOpen) await this.execute('reset role')
    }
  }

  /** All of `work` or nothing. */
  async transaction<T>(work: () => Promise<T>): Promise<T> {
    await this.execute('begin')
    try {
      const result = await work()
      await this.execute('commit')
      return result
    } catch (error) {
      if (this.connection.isOpen && this.connection.transaction !== 'idle') await this.execute('rollback')
      throw error
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A pooler gives up a backend whose client leaves it in a transaction.
    if (this.connection.isOpen && this.connection.transaction !== 'idle') await this.execute('rollback')
    await this.connection.close()
  }
}

/** duplicate_object (roles), duplicate_database, and the unique violation that two at once end in. */
const DUPLICATE: ReadonlySet<string> = new Set(['42710', '42P04', '23505'])

function isDuplicate(error: unknown): boolean {
  return error instanceof SqlError && DUPLICATE.has(error.sqlstate)
}
