import { z } from 'zod'
import { InvalidRequestError, PreconditionFailedError, RevisionConflictError } from '../../errors.ts'
import type { Entry } from '../../registry/registry.ts'
import { tenantPasswordBinding } from '../../registry/route.ts'
import type { Secret } from '../../secret.ts'
import type { TenantLimits } from '../../tenant/tenant-record.ts'
import { Operation } from '../operation/operation.ts'
import { type Started, started } from '../operation/started.ts'
import type { LifecycleParts } from '../parts.ts'
import { randomPassword } from '../provision/names.ts'
import { proveLogin } from '../provision/prove-login.ts'
import type { Provisioning } from '../provision/provisioning.ts'
import { connectionLimitFor, limitRoles } from '../provision/role-settings.ts'
import { RotationWaits } from '../rotate/rotation-plan.ts'
import { inTurn, turnOn } from '../server/turn.ts'
import { findTenant } from '../tenant/change-tenant.ts'
import { viewTenant } from '../tenant/tenant-view.ts'
import { ADOPT_STEPS } from './adopt-steps.ts'
import { type Adopting, AdoptionData, adoptingOf, adoptionBinding, adoptionOf } from './adoption.ts'
import { type AdoptionPlan, planOf, type Surveyed } from './adoption-plan.ts'
import { confirmAdoption } from './confirm-adoption.ts'
import { startRelease } from './release-tenant.ts'
import { survey } from './survey.ts'
import type { TenantAdopted } from './tenant-adopted.ts'

export const AdoptTenant = z
  .strictObject({
    /** Look, tell what would be done, and change nothing. */
    dryRun: z.boolean().default(false),
    /** Make it all what it was. */
    undo: z.boolean().default(false),
    /** It is not to be undone any more. */
    confirm: z.boolean().default(false),
    /** With `confirm`: the old role, and the former owner, come in no more; nor anywhere else, where the admin may say so. */
    lockOldRole: z.boolean().default(false),
    /** Of a login that is shut: by `undo` the new one, by `lockOldRole` the old one. */
    ...RotationWaits.shape,
  })
  .refine(
    ({ dryRun, undo, confirm }) => [dryRun, undo, confirm].filter(Boolean).length <= 1,
    'one of dryRun, undo and confirm at most',
  )
  .refine(({ confirm, lockOldRole }) => confirm || !lockOldRole, 'lockOldRole goes with confirm')
export type AdoptTenant = z.input<typeof AdoptTenant>

/**
 * Takes a registered tenant's database into our care: logins of ours, an owner as whom nobody logs in, a stamp, and
 * nobody else let in; or tells what that would do, undoes it, or ends the possibility of that. The old login works all
 * the while. Called again after it failed, it goes on.
 * @throws {InvalidRequestError | TenantUnknownError | LoginFailedError | ServerUnavailableError}
 * {PreconditionFailedError} with every obstacle and what removes it.
 */
export async function startAdopting(
  parts: LifecycleParts,
  id: string,
  input: AdoptTenant,
  actor: string,
): Promise<Started<TenantAdopted>> {
  const wanted = AdoptTenant.safeParse(input)
  if (!wanted.success)
    throw new InvalidRequestError(wanted.error.issues.map(({ message }) => message).join('; '))
  const { dryRun, undo, confirm, lockOldRole, hearMs, drainMs } = wanted.data
  if (undo) return startRelease(parts, id, { hearMs, drainMs }, actor)
  if (confirm) return immediate(confirmAdoption(parts, id, { lockOldRole, hearMs }, actor))
  if (dryRun) return immediate(planned(parts, id))
  return startAdoption(parts, id, actor)
}

/** As `startAdopting`, to its end. */
export async function adoptTenant(
  parts: LifecycleParts,
  id: string,
  input: AdoptTenant,
  actor: string,
): Promise<TenantAdopted> {
  return (await startAdopting(parts, id, input, actor)).result
}

function immediate<T>(result: Promise<T>): Started<T> {
  return { operation: null, result }
}

async function planned(parts: LifecycleParts, id: string): Promise<TenantAdopted> {
  const entry = await findTenant(parts.registry, id)
  const tenant = viewTenant(entry.record, entry.revision)
  return {
    did: 'planned',
    tenant,
    plan: planOf(await survey(parts, entry)),
    isReversible: false,
    oldLogin: 'works',
  }
}

async function startAdoption(
  parts: LifecycleParts,
  id: string,
  actor: string,
): Promise<Started<TenantAdopted>> {
  const entry = await findTenant(parts.registry, id)
  const before = await adoptionOf(parts.registry, entry.record)
  if (before?.entry.record.state === 'done') {
    const tenant = viewTenant(entry.record, entry.revision)
    return immediate(
      Promise.resolve({ did: 'adopted', tenant, plan: null, isReversible: true, oldLogin: 'works' }),
    )
  }
  if (before !== undefined) return resumeAdoption(parts, before.entry, actor)
  const surveyed = await survey(parts, entry)
  const plan = planOf(surveyed)
  if (plan.obstacles.length > 0) {
    const lines = plan.obstacles.map(({ what, remedy }) => `${what} → ${remedy}`)
    throw new PreconditionFailedError(`Tenant ${id} cannot be adopted. ${lines.join(' ')}`)
  }
  const data = dataFor(parts, surveyed)
  // Before the operation is begun: what it needs and does not find must not be left as one that failed.
  const adopting = await adoptingOf(parts, entry.record, data)
  const operation = await Operation.begin(
    parts,
    {
      kind: 'adopt',
      tenant: entry,
      from: `role ${data.before.route.role}`,
      to: `role ${data.names.slots.a}`,
      data,
      detail: { database: data.before.route.database, owner: data.before.owner },
    },
    actor,
  )
  return carryOut(parts, operation, adopting, plan, actor)
}

export async function resumeAdoption(
  parts: LifecycleParts,
  entry: Entry<'operation'>,
  actor: string,
): Promise<Started<TenantAdopted>> {
  const data = AdoptionData.parse(entry.record.data)
  if (data.ended !== null)
    throw new PreconditionFailedError(`Operation ${entry.id} (adopt) was ${data.ended}.`)
  const { record } = await findTenant(parts.registry, entry.record.tenant ?? '')
  const adopting = await adoptingOf(parts, record, data)
  return carryOut(parts, await Operation.take(parts, entry, actor), adopting, null, actor)
}

function dataFor({ registry, sealer }: LifecycleParts, { tenant, names, inside }: Surveyed): AdoptionData {
  const { route, identity, isolation, generation } = tenant
  const seal = (secret: Secret, name: 'password' | 'oldPassword') =>
    sealer.seal(secret, adoptionBinding(registry, tenant, name))
  return {
    generation,
    names,
    password: seal(randomPassword(), 'password'),
    oldPassword:
      route.password &&
      seal(sealer.open(route.password, tenantPasswordBinding(registry.id, tenant)), 'oldPassword'),
    before: {
      route: { ...route, password: null },
      identity,
      isolation,
      owner: inside.access.owner,
      database: [...inside.access.grants],
      publicSchema: inside.publicSchema === undefined ? null : [...inside.publicSchema.grants],
    },
    waits: RotationWaits.parse({}),
    ended: null,
  }
}

function carryOut(
  parts: LifecycleParts,
  operation: Operation,
  adopting: Adopting,
  plan: AdoptionPlan | null,
  actor: string,
): Started<TenantAdopted> {
  return started(operation, async () => {
    await using _sessions = adopting.provisioning
    await operation.run(ADOPT_STEPS, adopting)
    await inTurn(() => switchOver(operation, adopting, actor))
    const { record, revision } = await findTenant(parts.registry, adopting.provisioning.tenant.id)
    return {
      did: 'adopted',
      tenant: viewTenant(record, revision),
      plan,
      isReversible: true,
      oldLogin: 'works',
    }
  })
}

/** @throws {RevisionConflictError} where somebody else committed on the cluster since the proof. */
async function switchOver(operation: Operation, { provisioning }: Adopting, actor: string): Promise<void> {
  const { isolation, servers } = await proveLogin(provisioning, actor)
  const { id, origin, route, identity } = provisioning.tenant
  const limits = await limitLogins(provisioning)
  await operation.done(
    {},
    {
      ...turnOn(servers),
      detail: { isolated: isolation.isolated },
      tenant: ({ status, epoch, limits: present }) => {
        if (status !== 'active')
          throw new PreconditionFailedError(`Tenant ${id} is ${status}: adopt it again once it is active.`)
        if (present.maxConnections !== limits.maxConnections)
          throw new RevisionConflictError(`the limits of tenant ${id} were changed while it was adopted`)
        return { origin, route, identity, isolation, epoch: epoch + 1 }
      },
    },
  )
}

/** As the tenant's limits are now: whoever changed them since the roles were made changed no role of ours. */
async function limitLogins(provisioning: Provisioning): Promise<TenantLimits> {
  const { parts, plan, server, tenant } = provisioning
  const { limits } = (await findTenant(parts.registry, tenant.id)).record
  const limit = connectionLimitFor(limits, server.budget, parts.maxConnectionsPerTenant)
  await limitRoles(await provisioning.admin(), [plan.slots.a, plan.slots.b], limit, {})
  return limits
}
