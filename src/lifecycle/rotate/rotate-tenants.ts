import { z } from 'zod'
import { PreconditionFailedError } from '../../errors.ts'
import type { Entry, Registry } from '../../registry/registry.ts'
import { selectTenants, TenantSelector } from '../../registry/select-tenants.ts'
import { sideBySide } from '../../side-by-side.ts'
import { Operation } from '../operation/operation.ts'
import { type Started, started } from '../operation/started.ts'
import type { LifecycleParts } from '../parts.ts'
import { FleetRotation, type RotationOutcome } from './fleet-rotation.ts'
import { RotationWaits } from './rotation-plan.ts'

/** What the operation keeps, so that another process can go on with it. */
const FleetPlan = z.strictObject({
  select: TenantSelector,
  /** Tenants at once. */
  concurrency: z.int().min(1).max(64).default(4),
  /** Go on with the others when one fails. */
  continueOnError: z.boolean().default(false),
  ...RotationWaits.shape,
})

export const RotateTenants = FleetPlan.extend({
  /** Tell which tenants it would be, and rotate none. */
  dryRun: z.boolean().default(false),
})
export type RotateTenants = z.input<typeof RotateTenants>

export interface TenantsRotated {
  readonly dryRun: boolean
  /** In the order of the selection. */
  readonly outcomes: readonly RotationOutcome[]
}

/** Tenants that failed and that the operation names. */
const NAMED = 5

/**
 * Rotates every tenant that is selected, some at once, as `startRotation` does each; registered ones only where they are
 * named, since that fails and says what to do. Where the process ends, or a tenant
 * fails, whoever resumes the operation goes on with those that were not rotated since it began.
 * @param told of each tenant as it ends.
 * @throws {TenantUnknownError} for those named that are not there; {PreconditionFailedError} without the admin key.
 */
export async function startRotationOfMany(
  parts: LifecycleParts,
  input: RotateTenants,
  actor: string,
  told: (outcome: RotationOutcome) => void = () => undefined,
): Promise<Started<TenantsRotated>> {
  const { dryRun, ...plan } = RotateTenants.parse(input)
  const selected = await selectedBy(parts.registry, plan.select)
  const total = selected.filter(({ isOurs }) => isOurs).length
  if (dryRun || total === 0) {
    const outcomes = selected.map(({ tenant, isOurs }) =>
      isOurs ? { tenant, outcome: 'selected' as const } : leftToOwner(tenant),
    )
    return { operation: null, result: Promise.resolve({ dryRun, outcomes }) }
  }
  refuseWithoutKey(parts)
  const beginning = {
    kind: 'rotate' as const,
    data: plan,
    progress: { done: 0, total },
    detail: { tenants: total, selected: JSON.stringify(plan.select).slice(0, 500) },
  }
  const operation = await Operation.begin(parts, beginning, actor)
  return carryOut(new FleetRotation({ parts, operation, actor, told, ...plan }), selected)
}

/** With the tenants that the selection means by now; of those it names, with those that are still there. */
export async function resumeRotationOfMany(
  parts: LifecycleParts,
  entry: Entry<'operation'>,
  actor: string,
): Promise<Started<TenantsRotated>> {
  refuseWithoutKey(parts)
  const plan = FleetPlan.parse(entry.record.data)
  const select = await withoutGone(parts.registry, plan.select)
  const selected = select === undefined ? [] : await selectedBy(parts.registry, select)
  const total = selected.filter(({ isOurs }) => isOurs).length
  const change = { operation: { progress: { done: 0, total } } }
  const operation = await Operation.take(parts, entry, actor, change)
  return carryOut(new FleetRotation({ parts, operation, actor, told: () => undefined, ...plan }), selected)
}

function carryOut(rotation: FleetRotation, selected: readonly Selected[]): Started<TenantsRotated> {
  const { operation, concurrency } = rotation
  const total = selected.filter(({ isOurs }) => isOurs).length
  return started(operation, async () => {
    const outcomes = await sideBySide(selected, concurrency, async ({ tenant, isOurs }) =>
      isOurs ? rotation.rotate(tenant, total) : leftToOwner(tenant),
    )
    await conclude(operation, outcomes)
    return { dryRun: false, outcomes }
  })
}

async function conclude(operation: Operation, outcomes: readonly RotationOutcome[]): Promise<void> {
  const failed = outcomes.flatMap((one) => (one.outcome === 'failed' ? [one] : []))
  if (failed.length === 0) return operation.done({}, { detail: { tenants: outcomes.length } })
  const left = outcomes.filter(({ outcome }) => outcome === 'not_begun').length
  const named = failed.slice(0, NAMED).map(({ tenant, error }) => `${tenant}: ${error.slice(0, 80)}`)
  const rest = left === 0 ? '' : `, ${left} were not begun`
  await operation.fail(
    new PreconditionFailedError(
      `${failed.length} of ${outcomes.length} tenants failed${rest}. ${named.join('; ')}`,
    ),
  )
}

interface Selected {
  readonly tenant: string
  /** Its login is ours to make anew, or it was named all the same. */
  readonly isOurs: boolean
}

async function selectedBy(registry: Registry, select: TenantSelector): Promise<Selected[]> {
  const selected: Selected[] = []
  for await (const { id, record } of selectTenants(registry, select))
    selected.push({ tenant: id, isOurs: record.origin !== 'registered' || select.tenants !== undefined })
  return selected
}

function leftToOwner(tenant: string): RotationOutcome {
  return { tenant, outcome: 'registered' }
}

/** Undefined where it names tenants and none of them is there any more. */
async function withoutGone(registry: Registry, select: TenantSelector): Promise<TenantSelector | undefined> {
  if (select.tenants === undefined) return select
  const there: string[] = []
  for (const id of select.tenants) if (await registry.find('tenant', id)) there.push(id)
  return there.length === 0 ? undefined : { ...select, tenants: there }
}

function refuseWithoutKey({ adminSealer }: LifecycleParts): void {
  if (adminSealer !== undefined) return
  throw new PreconditionFailedError('Rotating needs TENANTRY_ADMIN_KEY, which opens admin passwords.')
}
