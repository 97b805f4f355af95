import { z } from 'zod'
import { InternalError } from '../../errors.ts'
import { targetOf } from '../../registry/route.ts'
import type { Sealer } from '../../registry/sealing.ts'
import type { ServerRecord } from '../../registry/server-record.ts'
import type { Secret } from '../../secret.ts'
import { Sealed } from '../../tenant/sealed.ts'
import type { TenantRecord } from '../../tenant/tenant-record.ts'
import type { LifecycleParts } from '../parts.ts'
import { Session } from '../session.ts'
import { ExtensionName } from './extension-names.ts'
import { Making, MakingPlan } from './making.ts'
import { RoleSettings } from './role-settings.ts'

/** What the steps of provisioning one tenant agree on, chosen before the first statement and kept in the operation. */
export const Plan = z.strictObject({
  ...MakingPlan.shape,
  generation: z.int().positive(),
  /** The database and its roles were there before the tenant was. */
  spare: z.boolean().default(false),
  /** Of each login slot; null: none is set. */
  connectionLimit: z.int().positive().nullable().default(null),
  settings: RoleSettings.default({}),
  extensions: z.array(ExtensionName).default([]),
  /** Of the text given as the first schema; null where there was none. */
  schemaSha256: z.string().nullable(),
  /** That text, so that whoever goes on needs nobody to give it again; null where it is too long to be kept. */
  schema: Sealed.nullable().default(null),
})
export type Plan = z.output<typeof Plan>

/** One run of the saga that makes a tenant. */
export class Provisioning extends Making<Plan> {
  readonly tenant: TenantRecord
  readonly schema: string | undefined

  constructor(
    parts: LifecycleParts,
    adminSealer: Sealer,
    {
      tenant,
      server,
      plan,
      schema,
    }: Pick<Provisioning, 'tenant' | 'plan' | 'schema'> & { server: ServerRecord },
  ) {
    super(parts, adminSealer, server, plan)
    this.tenant = tenant
    this.schema = schema
  }

  /** The tenant's own login, as the router will log in, for looking only. */
  login(): Promise<Session> {
    return this.session(this.plan.slots.a, () => Session.readOnly(this.tenantTarget()))
  }

  /** Opens a session beside other work; whoever asks for it learns what became of that. */
  early(open: () => Promise<Session>): void {
    open().catch(() => undefined)
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
}
