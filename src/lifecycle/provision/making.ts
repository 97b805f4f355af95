import { z } from 'zod'
import { InternalError } from '../../errors.ts'
import { adminTargetOf } from '../../registry/route.ts'
import type { Sealer } from '../../registry/sealing.ts'
import { type ServerRecord, Template } from '../../registry/server-record.ts'
import type { LifecycleParts } from '../parts.ts'
import { Session } from '../session.ts'
import { Names } from './names.ts'

export const STRATEGIES = ['wal_log', 'file_copy'] as const

/** A database that is to be made, a tenant's or a spare. */
export const MakingPlan = z.strictObject({
  ...Names.shape,
  /** What it is copied from; absent: an empty one. */
  template: Template.optional(),
  /** How the server copies; absent: as it likes. */
  strategy: z.enum(STRATEGIES).optional(),
})
export type MakingPlan = z.output<typeof MakingPlan>

/** What the steps that make a database read, and the admin's sessions, opened when first asked for. */
export class Making<P extends { readonly database: string } = MakingPlan> implements AsyncDisposable {
  readonly parts: LifecycleParts
  readonly server: ServerRecord
  readonly plan: P
  readonly #adminSealer: Sealer
  readonly #sessions = new Map<string, Promise<Session>>()

  constructor(parts: LifecycleParts, adminSealer: Sealer, server: ServerRecord, plan: P) {
    this.parts = parts
    this.#adminSealer = adminSealer
    this.server = server
    this.plan = plan
  }

  /** The admin in its own database, where roles and databases are made. */
  admin(): Promise<Session> {
    return this.#admin('')
  }

  /** The admin in the database that is made. */
  adminInside(): Promise<Session> {
    return this.#admin(this.plan.database)
  }

  /** Ends the session inside: as long as it is there, nothing can be copied from the database. */
  async leave(): Promise<void> {
    const inside = this.#sessions.get(this.plan.database)
    this.#sessions.delete(this.plan.database)
    await (await inside)?.[Symbol.asyncDispose]()
  }

  adminRole(): string {
    if (this.server.admin === null) throw new InternalError(`server ${this.server.id} has no admin`)
    return this.server.admin.role
  }

  #admin(database: string): Promise<Session> {
    const { registry, sealer } = this.parts
    const target = () =>
      adminTargetOf(this.server, this.#adminSealer, registry.id, database || undefined, sealer)
    return this.session(database, () => Session.open(target()))
  }

  /** The one of that name, opened where there is none yet. */
  protected session(name: string, open: () => Promise<Session>): Promise<Session> {
    const session = this.#sessions.get(name) ?? open()
    this.#sessions.set(name, session)
    return session
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const sessions = [...this.#sessions.values()]
    this.#sessions.clear()
    await Promise.all(sessions.map((session) => session.then(end, () => undefined)))
  }
}

function end(session: Session): Promise<void> {
  return session[Symbol.asyncDispose]()
}
