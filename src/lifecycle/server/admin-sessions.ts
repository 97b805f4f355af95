import { z } from 'zod'
import { adminTargetOf } from '../../registry/route.ts'
import type { Sealer } from '../../registry/sealing.ts'
import type { ServerRecord } from '../../registry/server-record.ts'
import type { LifecycleParts } from '../parts.ts'
import { Session } from '../session.ts'
import { quoteText } from '../sql-name.ts'

/** The admin of one server: a session in its own database, kept, and one in each database that is looked into. */
export class AdminSessions implements AsyncDisposable {
  readonly #parts: LifecycleParts
  readonly #adminSealer: Sealer
  readonly #server: ServerRecord
  readonly #signal: AbortSignal | undefined
  #home: Promise<Session> | undefined
  /** A connection runs one statement at a time. */
  #turn: Promise<unknown> = Promise.resolve()

  private constructor(
    parts: LifecycleParts,
    adminSealer: Sealer,
    server: ServerRecord,
    signal: AbortSignal | undefined,
  ) {
    this.#parts = parts
    this.#adminSealer = adminSealer
    this.#server = server
    this.#signal = signal
  }

  /**
   * Undefined where the server has no admin login on record, or this process no key that opens it.
   * @param signal ends every session.
   */
  static of(parts: LifecycleParts, server: ServerRecord, signal?: AbortSignal): AdminSessions | undefined {
    const { adminSealer } = parts
    if (server.admin === null || adminSealer === undefined) return undefined
    return new AdminSessions(parts, adminSealer, server, signal)
  }

  /** @throws {LoginFailedError | ServerUnavailableError | TlsFailedError} */
  home(): Promise<Session> {
    this.#home ??= this.#open(undefined)
    return this.#home
  }

  /** Runs `work` on the session at home, after those who asked before. */
  atHome<T>(work: (session: Session) => Promise<T>): Promise<T> {
    const mine = this.#turn.then(async () => work(await this.home()))
    this.#turn = mine.catch(() => {})
    return mine
  }

  /** Runs `work` in a database as its owner, of which the admin is a member. */
  async inside<T>(database: string, owner: string, work: (session: Session) => Promise<T>): Promise<T> {
    await using session = await this.#open(database)
    return await session.asRole(owner, () => work(session))
  }

  /** Undefined where there is no such database. */
  async ownerOf(database: string): Promise<string | undefined> {
    const rows = await this.atHome((session) =>
      session.rows(
        z.object({ owner: z.string() }),
        `select pg_catalog.pg_get_userbyid(d.datdba)::text as owner
           from pg_catalog.pg_database d where d.datname = ${quoteText(database)}`,
      ),
    )
    return rows[0]?.owner
  }

  /** Whether each role may log in; those that are not there are left out. */
  async logins(roles: readonly string[]): Promise<ReadonlyMap<string, boolean>> {
    const rows = await this.atHome((session) =>
      session.rows(
        z.object({ role: z.string(), login: z.boolean() }),
        `select r.rolname::text as role, r.rolcanlogin as login
           from pg_catalog.pg_roles r where r.rolname in (${roles.map(quoteText).join(', ')})`,
      ),
    )
    return new Map(rows.map(({ role, login }) => [role, login]))
  }

  #open(database: string | undefined): Promise<Session> {
    const { registry, sealer } = this.#parts
    const target = adminTargetOf(this.#server, this.#adminSealer, registry.id, database, sealer)
    return Session.open(target, this.#signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const home = await this.#home?.catch(() => undefined)
    await home?.[Symbol.asyncDispose]()
  }
}
