import { z } from 'zod'
import { InternalError, PreconditionFailedError } from '../../errors.ts'
import { adminTargetOf } from '../../registry/route.ts'
import type { ServerRecord } from '../../registry/server-record.ts'
import type { TenantRecord } from '../../tenant/tenant-record.ts'
import type { Also, Operation } from '../operation/operation.ts'
import type { LifecycleParts } from '../parts.ts'
import { findServer } from '../server/server-view.ts'
import { Silence } from '../server/silent-server.ts'
import { Session } from '../session.ts'
import { type PurgeLine, Receipt, withLine } from './receipt.ts'

/** What the runs of one purge hand to each other. */
const Data = z.looseObject({
  receipt: Receipt.default([]),
  /** Where the server was said to be gone for good, and did not answer. */
  silence: Silence.nullable().default(null),
})

/** One run of a purge: what its steps read, and the receipt that they write. */
export class Purging implements AsyncDisposable {
  readonly parts: LifecycleParts
  readonly operation: Operation
  readonly tenant: TenantRecord
  readonly #server: ServerRecord | undefined
  #session: Promise<Session> | undefined

  private constructor(
    parts: LifecycleParts,
    operation: Operation,
    tenant: TenantRecord,
    server: ServerRecord | undefined,
  ) {
    this.parts = parts
    this.operation = operation
    this.tenant = tenant
    this.#server = server
  }

  /** @param beginning begins or takes up the operation, once all is there that it needs. */
  static async of(
    parts: LifecycleParts,
    tenant: TenantRecord,
    beginning: () => Promise<Operation>,
  ): Promise<Purging> {
    if (tenant.origin === 'registered') return new Purging(parts, await beginning(), tenant, undefined)
    const server = await findServer(parts.registry, tenant.route.server)
    if (parts.adminSealer === undefined)
      throw new PreconditionFailedError(
        'Purging a tenant needs TENANTRY_ADMIN_KEY, which opens admin passwords.',
      )
    if (server.admin === null)
      throw new PreconditionFailedError(`Server ${server.id} has no admin login: add it again with one.`)
    return new Purging(parts, await beginning(), tenant, server)
  }

  /** What was seen of a server that is gone; undefined where it is there. */
  get silence(): Silence | undefined {
    return Data.parse(this.operation.record.data).silence ?? undefined
  }

  get receipt(): Receipt {
    return Data.parse(this.operation.record.data).receipt
  }

  /** The admin in its own database. */
  admin(): Promise<Session> {
    this.#session ??= this.#open()
    return this.#session
  }

  /** The admin in the tenant's database; whoever asked disposes of it. */
  adminInside(): Promise<Session> {
    return this.#open(this.tenant.route.database)
  }

  /** Puts a line on the receipt, in one commit with what it tells of, where that is a change of the registry. */
  async note(line: PurgeLine, also: Also = {}): Promise<void> {
    const data = { ...this.operation.record.data, receipt: withLine(this.receipt, line) }
    const { what, outcome, count, detail } = line
    await this.operation.keep({ data }, what, {
      ...also,
      detail: { outcome, count, found: detail.slice(0, 500) },
    })
  }

  async #open(database?: string): Promise<Session> {
    const { registry, sealer, adminSealer } = this.parts
    if (this.#server === undefined || adminSealer === undefined) {
      throw new InternalError(`tenant ${this.tenant.id} has no server that we administer`)
    }
    return Session.open(adminTargetOf(this.#server, adminSealer, registry.id, database, sealer))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const session = await this.#session?.catch(() => undefined)
    await session?.[Symbol.asyncDispose]()
  }
}
