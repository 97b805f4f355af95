import { PreconditionFailedError } from '../../errors.ts'
import type { ServerRecord } from '../../registry/server-record.ts'
import type { Secret } from '../../secret.ts'
import type { TenantRecord } from '../../tenant/tenant-record.ts'
import type { Operation } from '../operation/operation.ts'
import type { LifecycleParts } from '../parts.ts'
import { AdminSessions } from '../server/admin-sessions.ts'
import type { Session } from '../session.ts'
import { quoteText } from '../sql-name.ts'
import { findTenant } from '../tenant/change-tenant.ts'
import { endSessions } from '../tenant/fence.ts'
import { overtaken, plannedPasswordBinding, type RotationPlan } from './rotation-plan.ts'

/** One run of the saga: what its steps read, and the admin's session, opened when first asked for. */
export class Rotation implements AsyncDisposable {
  readonly parts: LifecycleParts
  readonly operation: Operation
  readonly server: ServerRecord
  readonly plan: RotationPlan
  /** Of the old login, that did not end by themselves. */
  sessionsEnded = 0
  /** What does not go over to the new login, in words; not known to a run that goes on after that was looked at. */
  leftBehind: string | null = null
  readonly #tenant: string
  readonly #admin: AdminSessions
  #session: Promise<Session> | undefined

  constructor(
    parts: LifecycleParts,
    given: Pick<Rotation, 'operation' | 'server' | 'plan'> & { readonly admin: AdminSessions },
  ) {
    this.parts = parts
    this.operation = given.operation
    this.server = given.server
    this.plan = given.plan
    this.#tenant = given.operation.record.tenant ?? ''
    this.#admin = given.admin
  }

  /**
   * Ends the session of whoever was at this operation before: a process that was only slow could otherwise shut a
   * login that is in use by now.
   */
  admin(): Promise<Session> {
    this.#session ??= this.#alone()
    return this.#session
  }

  async #alone(): Promise<Session> {
    const admin = await this.#admin.home()
    const name = quoteText(`tenantry ${this.operation.record.id}`)
    await admin.execute(`select pg_catalog.set_config('application_name', ${name}, false)`)
    await endSessions(
      admin,
      `s.usename = session_user and s.application_name = ${name} and s.pid <> pg_catalog.pg_backend_pid()`,
    )
    return admin
  }

  /**
   * The tenant as it is now, on the old login (or on the new one).
   * @throws {PreconditionFailedError} where its route is another one by now.
   */
  async tenantOn(login: 'from' | 'to'): Promise<TenantRecord> {
    const { record } = await findTenant(this.parts.registry, this.#tenant)
    const isWhere = record.route.server === this.server.id && record.generation === this.plan.generation
    if (!isWhere || record.route.role !== this.plan[login]) throw overtaken(record)
    return record
  }

  /** Of the new login, before it is in use. */
  password(): Secret {
    const { registry, sealer } = this.parts
    const { password, generation } = this.plan
    if (password === null) throw new PreconditionFailedError('The rotation is over: rotate it anew.')
    const { tenant } = this.operation.record
    if (tenant === null) throw new PreconditionFailedError('The operation names no tenant.')
    return sealer.open(password, plannedPasswordBinding(registry, { id: tenant, generation }))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#admin[Symbol.asyncDispose]()
  }
}
