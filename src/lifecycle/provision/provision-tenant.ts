import { InternalError, TenantryError } from '../../errors.ts'
import type { Entry } from '../../registry/registry.ts'
import type { Operation, Step } from '../operation/operation.ts'
import { type Started, started } from '../operation/started.ts'
import type { LifecycleParts } from '../parts.ts'
import { inTurn, turnOn } from '../server/turn.ts'
import { type TenantView, viewTenant } from '../tenant/tenant-view.ts'
import { CreateTenant } from './create-tenant.ts'
import { createDatabase, openDatabase } from './database.ts'
import { createExtensions } from './extensions.ts'
import { furnish } from './furnish.ts'
import type { Placement } from './place-tenant.ts'
import { proveLogin } from './prove-login.ts'
import type { Plan, Provisioning } from './provisioning.ts'
import { goOn, type Reserved, reserve } from './reserve.ts'
import { createRoles } from './roles.ts'
import { applySchema, refuseTransactionsIn } from './schema.ts'
import { claimSpare } from './spare/claim-spare.ts'
import { ownContents } from './template/own-contents.ts'

export interface TenantCreated {
  readonly tenant: TenantView
  /** False where the tenant was there and nothing was done. */
  readonly created: boolean
  /** Where and why there; null where an earlier run decided. */
  readonly placement: Placement | null
}

type ProvisionStep = Step<Provisioning>

const EXTENSIONS: ProvisionStep = { name: 'extensions', run: createExtensions }
const SCHEMA: ProvisionStep = { name: 'schema', run: applySchema }

/** Of a tenant whose database is made for it. */
export const PROVISION_STEPS: readonly ProvisionStep[] = [
  { name: 'roles', run: createRoles },
  { name: 'database', run: createDatabase },
  { name: 'open', run: openDatabase },
  { name: 'own', run: ownContents },
  { name: 'furnish', run: stamp },
  EXTENSIONS,
  SCHEMA,
]

/** Of one that takes a spare. */
export const CLAIM_STEPS: readonly ProvisionStep[] = [{ name: 'claim', run: claimSpare }, EXTENSIONS, SCHEMA]

/** Those that this plan has something for: each costs a change of the registry. */
function stepsOf({ spare, template, extensions, schemaSha256 }: Plan): readonly ProvisionStep[] {
  return (spare ? CLAIM_STEPS : PROVISION_STEPS).filter((step) => {
    if (step === EXTENSIONS) return extensions.length > 0
    if (step === SCHEMA) return schemaSha256 !== null
    return step.run !== ownContents || template !== undefined
  })
}

async function stamp(provisioning: Provisioning): Promise<void> {
  const { tenant, plan } = provisioning
  provisioning.early(() => provisioning.login())
  await furnish(provisioning, { tenant: tenant.id, generation: plan.generation, state: 'live' })
}

/**
 * Makes a tenant: database, roles, grants, stamp, first tables. Called again for a tenant that is half made, it
 * goes on where it stopped (with another schema text, as long as none has run); for one that is made, it changes
 * nothing.
 * @throws {InvalidRequestError | InvalidTenantIdError | AlreadyExistsError | PreconditionFailedError | ServerUnavailableError}
 */
export async function startProvisioning(
  parts: LifecycleParts,
  input: CreateTenant,
  actor: string,
): Promise<Started<TenantCreated>> {
  const wanted = CreateTenant.parse(input)
  if (wanted.schema !== undefined) refuseTransactionsIn(wanted.schema)
  const reserved = await reserve(parts, wanted, actor)
  if (reserved !== 'there') return carryOut(parts, reserved, actor)
  const entry = await parts.registry.find('tenant', wanted.id)
  if (entry === undefined) throw new InternalError(`tenant ${wanted.id} went away`)
  const tenant = viewTenant(entry.record, entry.revision)
  return { operation: null, result: Promise.resolve({ tenant, created: false, placement: null }) }
}

/** As `startProvisioning`, to its end. */
export async function provisionTenant(
  parts: LifecycleParts,
  input: CreateTenant,
  actor: string,
): Promise<TenantCreated> {
  return (await startProvisioning(parts, input, actor)).result
}

export async function resumeProvisioning(
  parts: LifecycleParts,
  operation: Entry<'operation'>,
  actor: string,
): Promise<Started<TenantCreated>> {
  return carryOut(parts, await goOn(parts, operation, actor), actor)
}

function carryOut(
  parts: LifecycleParts,
  { operation, provisioning, placement }: Reserved,
  actor: string,
): Started<TenantCreated> {
  return started(
    operation,
    async () => {
      await using opened = provisioning
      await operation.run(stepsOf(opened.plan), opened)
      await inTurn(() => finish(operation, opened, actor))
      const { record, revision } = await findMade(parts, opened)
      return { tenant: viewTenant(record, revision), created: true, placement }
    },
    (error) => ({
      tenant: () => ({
        status: 'failed',
        statusReason: error instanceof TenantryError ? error.message.slice(0, 500) : 'an unexpected error',
      }),
    }),
  )
}

/** @throws {RevisionConflictError} where somebody else committed on the cluster since the proof. */
async function finish(operation: Operation, provisioning: Provisioning, actor: string): Promise<void> {
  const { isolation, servers } = await proveLogin(provisioning, actor)
  const tenant = () => ({ status: 'active' as const, statusReason: null, isolation })
  // The text has run: nobody needs it any more.
  const data = { ...operation.record.data, schema: null }
  const ended = provisioning[Symbol.asyncDispose]()
  try {
    await operation.done({ data }, { ...turnOn(servers), tenant })
  } finally {
    await ended
  }
}

async function findMade({ registry }: LifecycleParts, { tenant }: Provisioning): Promise<Entry<'tenant'>> {
  const entry = await registry.find('tenant', tenant.id)
  if (entry === undefined) throw new InternalError(`tenant ${tenant.id} went away`)
  return entry
}
