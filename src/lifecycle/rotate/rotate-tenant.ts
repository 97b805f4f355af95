import { z } from 'zod'
import { InternalError, InvalidRequestError, PreconditionFailedError } from '../../errors.ts'
import type { Entry, Registry } from '../../registry/registry.ts'
import type { ServerRecord } from '../../registry/server-record.ts'
import type { TenantRecord } from '../../tenant/tenant-record.ts'
import { unfinished } from '../delete/unfinished.ts'
import { Operation } from '../operation/operation.ts'
import { type Started, started } from '../operation/started.ts'
import type { LifecycleParts } from '../parts.ts'
import { randomPassword } from '../provision/names.ts'
import { AdminSessions } from '../server/admin-sessions.ts'
import { findServer } from '../server/server-view.ts'
import { findTenant } from '../tenant/change-tenant.ts'
import { slotsOf } from '../tenant/login-slots.ts'
import { viewTenant } from '../tenant/tenant-view.ts'
import { replaceLogin } from './replace-login.ts'
import { Rotation } from './rotation.ts'
import { plannedPasswordBinding, RotationPlan, RotationWaits } from './rotation-plan.ts'
import { finish, ROTATION_STEPS, UNTIL_SWITCHED } from './rotation-steps.ts'
import type { TenantRotated } from './tenant-rotated.ts'

export const RotateTenant = z.strictObject({
  /** For a registered tenant: the login to use from now on. */
  dsn: z.string().min(1).max(4096).optional(),
  ...RotationWaits.shape,
})
export type RotateTenant = z.input<typeof RotateTenant>

/**
 * Gives a tenant another login without failing a request. A provisioned one goes over to its other login slot, which
 * gets a new password, and the old one is shut once nobody uses it. A registered one gets the login that is given, after
 * it has proved to lead into the same database; the old one is its owner's to shut. Called again for a rotation that
 * broke off, it goes on with that.
 * @throws {InvalidRequestError | InvalidDsnError | TenantUnknownError | PreconditionFailedError | LoginFailedError | ServerUnavailableError}
 */
export async function startRotation(
  parts: LifecycleParts,
  id: string,
  input: RotateTenant,
  actor: string,
): Promise<Started<TenantRotated>> {
  const { dsn, ...waits } = RotateTenant.parse(input)
  const tenant = await findTenant(parts.registry, id)
  const server = await findServer(parts.registry, tenant.record.route.server)
  refuseProvider(tenant.record, server)
  if (tenant.record.origin === 'registered') {
    const done = await replaceLogin(parts, tenant, server, wantedDsn(tenant.record, dsn), actor)
    return { operation: null, result: Promise.resolve(done) }
  }
  if (dsn !== undefined) {
    throw new InvalidRequestError(
      `Tenant ${id} is provisioned: its login is made here, so none is to be given. Leave the connection string out.`,
    )
  }
  const before = await brokenOff(parts.registry, tenant.record)
  if (before !== undefined) return resumeRotation(parts, before, actor)
  return begin(parts, tenant, server, waits, actor)
}

/** As `startRotation`, to its end. */
export async function rotateTenant(
  parts: LifecycleParts,
  id: string,
  input: RotateTenant,
  actor: string,
): Promise<TenantRotated> {
  return (await startRotation(parts, id, input, actor)).result
}

export async function resumeRotation(
  parts: LifecycleParts,
  operation: Entry<'operation'>,
  actor: string,
): Promise<Started<TenantRotated>> {
  const { record } = await findTenant(parts.registry, operation.record.tenant ?? '')
  const plan = RotationPlan.parse(operation.record.data)
  if (!isOf(plan, record))
    throw new PreconditionFailedError(`Tenant ${record.id} has another route by now: rotate it anew.`)
  const server = await findServer(parts.registry, record.route.server)
  const admin = adminOf(parts, server)
  // Before the switch, what was made may have been locked since, as by a suspension; after it, it is in use.
  const stepsDone =
    record.route.role === plan.to ? [...new Set([...operation.record.stepsDone, ...UNTIL_SWITCHED])] : []
  const change = { operation: { stepsDone } }
  return carryOut(parts, {
    operation: await Operation.take(parts, operation, actor, change),
    server,
    plan,
    admin,
  })
}

async function begin(
  parts: LifecycleParts,
  tenant: Entry<'tenant'>,
  server: ServerRecord,
  waits: z.output<typeof RotationWaits>,
  actor: string,
): Promise<Started<TenantRotated>> {
  const { record } = tenant
  if (record.status !== 'active')
    throw new PreconditionFailedError(
      `Tenant ${record.id} is ${record.status}: only an active one is rotated.`,
    )
  const admin = adminOf(parts, server)
  const plan = planFor(parts, record, waits)
  const beginning = { kind: 'rotate' as const, tenant, from: plan.from, to: plan.to, data: plan }
  return carryOut(parts, { operation: await Operation.begin(parts, beginning, actor), server, plan, admin })
}

function carryOut(
  parts: LifecycleParts,
  given: Pick<Rotation, 'operation' | 'server' | 'plan'> & { readonly admin: AdminSessions },
): Started<TenantRotated> {
  return started(given.operation, async () => {
    await using rotation = new Rotation(parts, given)
    await rotation.admin() // whoever was at it before is at it no more
    await rotation.operation.run(ROTATION_STEPS, rotation)
    await finish(rotation)
    const { from, to } = rotation.plan
    const { id, revision, record } = await findTenant(parts.registry, given.operation.record.tenant ?? '')
    if (record.route.role !== to) throw new InternalError(`tenant ${id} has another login than it was given`)
    return {
      tenant: viewTenant(record, revision),
      from,
      to,
      sessionsEnded: rotation.sessionsEnded,
      caveat: rotation.leftBehind,
    }
  })
}

function planFor(
  { registry, sealer }: LifecycleParts,
  tenant: TenantRecord,
  waits: z.output<typeof RotationWaits>,
): RotationPlan {
  const { role, slot } = tenant.route
  const to = slotsOf(tenant.route).find((name) => name !== role)
  if (to === undefined || slot === null)
    throw new PreconditionFailedError(`Tenant ${tenant.id} has one login role only, so none can take over.`)
  return {
    generation: tenant.generation,
    from: role,
    to,
    slot: slot === 'a' ? 'b' : 'a',
    password: sealer.seal(randomPassword(), plannedPasswordBinding(registry, tenant)),
    waits,
  }
}

/** One that the tenant's route is still that of. Until it is over, the login that it began from may be open. */
async function brokenOff(registry: Registry, tenant: TenantRecord): Promise<Entry<'operation'> | undefined> {
  const operation = await unfinished(registry, tenant, 'rotate')
  return operation && isOf(RotationPlan.parse(operation.record.data), tenant) ? operation : undefined
}

function isOf({ generation, from, to }: RotationPlan, tenant: TenantRecord): boolean {
  return generation === tenant.generation && [from, to].includes(tenant.route.role)
}

function adminOf(parts: LifecycleParts, server: ServerRecord): AdminSessions {
  const admin = AdminSessions.of(parts, server)
  if (admin !== undefined) return admin
  throw new PreconditionFailedError(
    server.admin === null
      ? `Server ${server.id} has no admin login: add it again with one.`
      : 'Rotating needs TENANTRY_ADMIN_KEY, which opens admin passwords.',
  )
}

function refuseProvider({ id }: TenantRecord, { id: server, passwordProvider }: ServerRecord): void {
  if (passwordProvider === null) return
  throw new PreconditionFailedError(
    `Tenant ${id} has no password on record: server ${server} gets one for each login from its provider ${passwordProvider}.`,
  )
}

function wantedDsn({ id, route }: TenantRecord, dsn: string | undefined): string {
  if (dsn !== undefined) return dsn
  throw new InvalidRequestError(
    `Tenant ${id} is registered: its role ${route.role} is its owner's. Change the password there, then give the ` +
      'connection string with the new one (--dsn-file, or dsn in the body).',
  )
}
