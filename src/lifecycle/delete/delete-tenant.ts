import { z } from 'zod'
import { PreconditionFailedError, TenantryError } from '../../errors.ts'
import type { Entry } from '../../registry/registry.ts'
import type { Deletion, TenantRecord } from '../../tenant/tenant-record.ts'
import { Operation } from '../operation/operation.ts'
import { type Started, started } from '../operation/started.ts'
import type { LifecycleParts } from '../parts.ts'
import { findServer } from '../server/server-view.ts'
import { inTurn } from '../server/turn.ts'
import { findTenant } from '../tenant/change-tenant.ts'
import { type Fence, fenceTenant } from '../tenant/fence.ts'
import { type TenantView, viewTenant } from '../tenant/tenant-view.ts'
import { refuseUnconfirmed } from './confirmation.ts'
import { ownRoles } from './own-roles.ts'
import { unfinished } from './unfinished.ts'

const DAY_MS = 86_400_000
const STEP = 'fence'

export const DeleteTenant = z.strictObject({
  /** The tenant's name once more. */
  confirm: z.string().optional(),
  /** Milliseconds in which it may be undeleted. */
  graceMs: z
    .int()
    .min(0)
    .max(3_650 * DAY_MS)
    .default(30 * DAY_MS),
  reason: z.string().max(500).default(''),
})
export type DeleteTenant = z.input<typeof DeleteTenant>

export interface TenantDeleted extends Fence {
  readonly tenant: TenantView
  /** When its grace ends. Until it is purged it may be undeleted. */
  readonly purgeAfter: string
}

/** Whose deletion an operation is: another may have followed on an undelete. */
const Data = z.strictObject({ at: z.iso.datetime() })

/**
 * Refuses the tenant's requests from when this resolves, then ends its sessions and, for a provisioned tenant, locks
 * its roles. Its database stays until it is purged. Called again, or resumed, it makes sure of that; the grace stays
 * what it was.
 * @throws {InvalidRequestError} where it is not confirmed; {TenantUnknownError};
 * {PreconditionFailedError} where another operation has the tenant, or it is being purged.
 */
export async function startDeletion(
  parts: LifecycleParts,
  id: string,
  input: DeleteTenant,
  actor: string,
): Promise<Started<TenantDeleted>> {
  const wanted = DeleteTenant.parse(input)
  refuseUnconfirmed(id, wanted.confirm)
  return inTurn(async () => {
    const tenant = await findTenant(parts.registry, id)
    const before = await unfinished(parts.registry, tenant.record, 'delete')
    if (before !== undefined) return resumeDeletion(parts, before, actor)
    return carryOut(parts, await begin(parts, tenant, wanted, actor))
  })
}

/** As `startDeletion`, to its end. */
export async function deleteTenant(
  parts: LifecycleParts,
  id: string,
  input: DeleteTenant,
  actor: string,
): Promise<TenantDeleted> {
  return (await startDeletion(parts, id, input, actor)).result
}

export async function resumeDeletion(
  parts: LifecycleParts,
  operation: Entry<'operation'>,
  actor: string,
): Promise<Started<TenantDeleted>> {
  await deletedBy(parts, operation.record)
  return carryOut(parts, await Operation.take(parts, operation, actor))
}

function begin(
  parts: LifecycleParts,
  tenant: Entry<'tenant'>,
  { graceMs, reason }: z.output<typeof DeleteTenant>,
  actor: string,
): Promise<Operation> {
  const { record } = tenant
  if (record.status === 'deleting') throw new PreconditionFailedError(`Tenant ${record.id} is being purged.`)
  const deletion = record.status === 'deleted' ? record.deletion : null
  if (deletion !== null) {
    return Operation.begin(parts, { kind: 'delete', tenant, data: { at: deletion.at } }, actor)
  }
  const made = deletionOf(record, graceMs)
  const change = { status: 'deleted' as const, statusReason: reason || null, deletion: made }
  const detail = { reason, purgeAfter: made.purgeAfter }
  return Operation.begin(parts, { kind: 'delete', tenant, change, data: { at: made.at }, detail }, actor)
}

function deletionOf({ status, statusReason, operation }: TenantRecord, graceMs: number): Deletion {
  const at = Date.now()
  const purgeAfter = new Date(at + graceMs).toISOString()
  return { at: new Date(at).toISOString(), purgeAfter, status, statusReason, operation, logins: [] }
}

/**
 * The tenant, deleted as this operation says.
 * @throws {PreconditionFailedError} where it was undeleted since.
 */
async function deletedBy(
  { registry }: LifecycleParts,
  { id, tenant, data }: Operation['record'],
): Promise<{ readonly entry: Entry<'tenant'>; readonly deletion: Deletion }> {
  const entry = await findTenant(registry, tenant ?? '')
  const { status, deletion } = entry.record
  if (status === 'deleted' && deletion?.at === Data.parse(data).at) return { entry, deletion }
  throw new PreconditionFailedError(`Tenant ${entry.id} was undeleted since operation ${id} deleted it.`)
}

function carryOut(parts: LifecycleParts, operation: Operation): Started<TenantDeleted> {
  return started(operation, async () => {
    const fence = await fenceOff(parts, operation)
    if (operation.record.state === 'running') {
      if (!operation.record.stepsDone.includes(STEP)) await operation.noteStep(STEP)
      await operation.done({}, { detail: { fence: fence.fence, sessionsEnded: fence.sessionsEnded } })
    }
    const { entry, deletion } = await deletedBy(parts, operation.record)
    return { tenant: viewTenant(entry.record, entry.revision), purgeAfter: deletion.purgeAfter, ...fence }
  })
}

/** The tenant is refused whatever comes of it; what could not be done is on record as the operation's failure. */
async function fenceOff(parts: LifecycleParts, operation: Operation): Promise<Fence> {
  const { entry } = await deletedBy(parts, operation.record)
  try {
    const server = await findServer(parts.registry, entry.record.route.server)
    return await fenceTenant(parts, entry.record, server, {
      again: 'Delete it again',
      rolesOf: async (admin, tenant) => {
        const roles = await ownRoles(admin, tenant)
        const open = roles.filter(({ login }) => login).map(({ name }) => name)
        // On record first: what is locked without being there would stay locked after an undelete.
        if (open.length > 0) await keepLogins(operation, open)
        return roles.map(({ name }) => name)
      },
    })
  } catch (error) {
    if (!(error instanceof TenantryError)) throw error
    await operation.fail(error)
    const caveat = `Deleted in the registry; its sessions could not be ended (${error.code}). Delete it again.`
    return { fence: 'registry', sessionsEnded: 0, caveat }
  }
}

function keepLogins(operation: Operation, open: readonly string[]): Promise<void> {
  return operation.keep({}, 'lock', {
    detail: { roles: open.join(' ') },
    tenant: ({ deletion }) => ({
      deletion: deletion && { ...deletion, logins: [...new Set([...deletion.logins, ...open])] },
    }),
  })
}
