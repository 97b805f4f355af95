import { z } from 'zod'
import { InternalError } from '../../errors.ts'
import { adminTargetOf, targetOf } from '../../registry/route.ts'
import type { Sealer } from '../../registry/sealing.ts'
import type { ServerRecord } from '../../registry/server-record.ts'
import type { Secret } from '../../secret.ts'
import type { TenantRecord } from '../../tenant/tenant-record.ts'
import type { LifecycleParts } from '../parts.ts'
import { Session } from '../session.ts'

/** What the steps of provisioning one tenant agree on, chosen before the first statement and kept in the operation. */
export const Plan = z.strictObject({
  generation: z.int().positive(),
  database: z.string(),
  /** Owns the database and everything in it; nobody logs in as it. */
  owner: z.string(),
  /** The two login roles of the runtime; rotation goes from one to the other. */
  slots: z.strictObject({ a: z.string(), b: z.string() }),
  incarnation: z.uuid(),
  /** Of the text given as the first schema; null where there was none. */
  schemaSha256: z.string().nullable(),
})
export type Plan = z.output<typeof Plan>

/** One run of the saga: what its steps read, and the admin's sessions, opened when first asked for. */
export class Provisioning implements AsyncDisposable {
  readonly parts: LifecycleParts
  readonly tenant: TenantRecord
  readonly server: ServerRecord
  readonly plan: Plan
  readonly schema: string | undefined
  readonly #adminSealer: Sealer
  readonly #sessions = new Map<string, Promise<Session>>()

  constructor(
    parts: LifecycleParts,
    adminSealer: Sealer,
    given: Pick<Provisioning, 'tenant' | 'server' | 'plan' | 'schema'>,
  ) {
    this.parts = parts
    this.#adminSealer = adminSealer
    this.tenant = given.tenant
    this.server = given.server
    this.plan = given.plan
    this.schema = given.schema
  }

  /** The admin in its own database, where roles and databases are made. */
  admin(): Promise<Session> {
    return this.#session('')
  }

  /** The admin in the tenant's database. */
  adminInside(): Promise<Session> {
    return this.#session(this.plan.database)
  }

  adminRole(): string {
    if (this.server.admin === null) throw new InternalError(`server ${this.server.id} has no admin`)
    return this.server.admin.role
  }

  password(): Secret {
    const { password } = this.tenantTarget()
    if (password === undefined) throw new InternalError(`tenant ${this.tenant.id} has no password`)
    return password
  }

  /** As the router will log in. */
  tenantTarget() {
    return targetOf(this.tenant, this.server, this.parts.sealer, this.parts.registry.id)
  }

  #session(database: string): Promise<Session> {
    const { registry, sealer } = this.parts
    const open = () =>
      Session.open(adminTargetOf(this.server, this.#adminSealer, registry.id, database || undefined, sealer))
    const session = this.#sessions.get(database) ?? open()
    this.#sessions.set(database, session)
    return session
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const session of await Promise.allSettled(this.#sessions.values())) {
      if (session.status === 'fulfilled') await session.value[Symbol.asyncDispose]()
    }
  }
}
