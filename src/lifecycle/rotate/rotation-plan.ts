import { z } from 'zod'
import { PreconditionFailedError } from '../../errors.ts'
import type { Registry } from '../../registry/registry.ts'
import { tenantPasswordBinding } from '../../registry/route.ts'
import type { SealBinding, Sealer } from '../../registry/sealing.ts'
import { Sealed } from '../../tenant/sealed.ts'
import type { TenantRecord } from '../../tenant/tenant-record.ts'

const Wait = z.int().min(0).max(3_600_000)

/** How long a rotation waits before it shuts the login that was in use. */
export const RotationWaits = z.strictObject({
  /**
   * Milliseconds in which every replica hears of the new login. Pushes take two seconds at most; one more is for a login
   * that was begun just before. Less only where one process serves.
   */
  hearMs: Wait.default(3_000),
  /** Milliseconds after that in which leases on the old login may end by themselves. Default: as long as a lease may be held. */
  drainMs: Wait.default(60_000),
})

/** What the steps of a rotation agree on, chosen before the first and kept in the operation. */
export const RotationPlan = z.strictObject({
  generation: z.int().positive(),
  /** The login role in use when it began, and the one that takes over. */
  from: z.string(),
  to: z.string(),
  slot: z.enum(['a', 'b']),
  /** Of `to`; null once the rotation is done. */
  password: Sealed.nullable(),
  waits: RotationWaits,
})
export type RotationPlan = z.output<typeof RotationPlan>

export function plannedPasswordBinding(
  registry: Pick<Registry, 'id'>,
  { id, generation }: Pick<TenantRecord, 'id' | 'generation'>,
): SealBinding {
  return { registry: registry.id, subject: id, generation, field: 'operation.password' }
}

/**
 * The tenant with the new login as its route. One that has it already stays as it is.
 * @throws {PreconditionFailedError} where its route has been changed otherwise since.
 */
export function switched(
  tenant: TenantRecord,
  { from, to, slot, password }: RotationPlan,
  { registry, sealer }: { readonly registry: Pick<Registry, 'id'>; readonly sealer: Sealer },
): TenantRecord {
  const { route } = tenant
  if (route.role === to) return tenant
  if (route.role !== from || password === null) throw overtaken(tenant)
  const secret = sealer.open(password, plannedPasswordBinding(registry, tenant))
  const sealed = sealer.seal(secret, tenantPasswordBinding(registry.id, tenant))
  return { ...tenant, epoch: tenant.epoch + 1, route: { ...route, role: to, slot, password: sealed } }
}

export function overtaken({ id, route }: TenantRecord): PreconditionFailedError {
  return new PreconditionFailedError(
    `The route of tenant ${id} was changed since this rotation began (its role is ${route.role}): rotate it anew.`,
  )
}
