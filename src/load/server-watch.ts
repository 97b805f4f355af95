import { setTimeout as delay } from 'node:timers/promises'
import type { Connection } from '../connection/connection.ts'

const SAMPLE_MS = 100
const SETTLE_MS = 250
/** A session is counted by the server when its first statement has ended, so late ones are waited for. */
const SETTLE_LIMIT_MS = 3_000

export interface ServerView {
  /** The most client sessions in the tenants' databases that a sample of `pg_stat_activity` saw. */
  readonly maxConnections: number
  readonly samples: number
  /** Sessions that began in the tenants' databases: `pg_stat_database.sessions`, after less before. */
  readonly logins: number
}

/**
 * What the database server itself says of the tenants' databases while a load runs. Needs a connection to
 * another database of that server, as a role that may see all sessions; it stays the caller's.
 * `begin()`, then `end()`, each once.
 */
export class ServerWatch {
  readonly #connection: Connection
  readonly #databases: readonly string[]
  readonly #ending = new AbortController()
  #sampling: Promise<void> = Promise.resolve()
  #loginsBefore = 0
  #maxConnections = 0
  #samples = 0

  constructor(connection: Connection, databases: readonly string[]) {
    this.#connection = connection
    this.#databases = databases
  }

  async begin(): Promise<void> {
    this.#loginsBefore = await this.#settledLogins()
    this.#sampling = this.#sample()
    this.#sampling.catch(() => undefined) // `end()` reports it
  }

  async end(): Promise<ServerView> {
    this.#ending.abort()
    await this.#sampling
    const logins = (await this.#settledLogins()) - this.#loginsBefore
    return { maxConnections: this.#maxConnections, samples: this.#samples, logins }
  }

  async #sample(): Promise<void> {
    while (!this.#ending.signal.aborted) {
      const seen = await this.#number(
        `select count(*) from pg_catalog.pg_stat_activity
          where datname = any($1) and backend_type = 'client backend'`,
      )
      this.#maxConnections = Math.max(this.#maxConnections, seen)
      this.#samples++
      await delay(SAMPLE_MS, undefined, { signal: this.#ending.signal }).catch(() => undefined)
    }
  }

  async #settledLogins(): Promise<number> {
    const sessions = () =>
      this.#number(
        'select coalesce(sum(sessions), 0) from pg_catalog.pg_stat_database where datname = any($1)',
      )
    const deadline = performance.now() + SETTLE_LIMIT_MS
    let last = await sessions()
    while (performance.now() < deadline) {
      await delay(SETTLE_MS)
      const now = await sessions()
      if (now === last) break
      last = now
    }
    return last
  }

  /** The one number that the statement answers. */
  async #number(text: string): Promise<number> {
    const { rows } = await this.#connection.run({
      text,
      params: [this.#databases],
      rowMode: 'array',
    })
    const [row] = rows
    return Number(Array.isArray(row) ? row[0] : undefined)
  }
}
