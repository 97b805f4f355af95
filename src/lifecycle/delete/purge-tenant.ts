import { z } from 'zod'
import { InvalidRequestError, PreconditionFailedError, TenantryError } from '../../errors.ts'
import type { OperationRecord } from '../../registry/operation-record.ts'
import type { Entry, Registry } from '../../registry/registry.ts'
import { adoptionOf } from '../adopt/adoption.ts'
import { Operation, type Step } from '../operation/operation.ts'
import { type Started, started } from '../operation/started.ts'
import type { LifecycleParts } from '../parts.ts'
import { findServer } from '../server/server-view.ts'
import { refuseAnswering, type Silence, silenceOf } from '../server/silent-server.ts'
import { inTurn } from '../server/turn.ts'
import { findTenant } from '../tenant/change-tenant.ts'
import { refuseUnconfirmed } from './confirmation.ts'
import { dropDatabase } from './drop-database.ts'
import { dropRoles } from './drop-roles.ts'
import { endAllSessions } from './end-sessions.ts'
import { forgetEntries } from './forget-entries.ts'
import { forgetTenant } from './forget-tenant.ts'
import { Purging } from './purging.ts'
import type { Receipt } from './receipt.ts'
import { unfinished } from './unfinished.ts'
import { onServer } from './unseen.ts'

export const PurgeTenant = z.strictObject({
  /** The tenant's name once more. */
  confirm: z.string().optional(),
  /** Before its grace has ended. */
  now: z.boolean().default(false),
  /**
   * Its server is gone for good: end without having seen sessions, database and roles gone, which the receipt then says.
   * Refused where the server answers.
   */
  serverGone: z.boolean().default(false),
})
export type PurgeTenant = z.input<typeof PurgeTenant>

export interface TenantPurged {
  readonly tenant: string
  readonly generation: number
  /** What was removed, and was looked for afterwards and not found. */
  readonly receipt: Receipt
}

export const PURGE_STEPS: readonly Step<Purging>[] = [
  { name: 'sessions', run: onServer('sessions', endAllSessions) },
  { name: 'database', run: onServer('database', dropDatabase) },
  { name: 'roles', run: onServer('roles', dropRoles) },
  { name: 'keys', run: (purging) => forgetEntries(purging, 'key') },
  { name: 'aliases', run: (purging) => forgetEntries(purging, 'alias') },
  { name: 'operations', run: (purging) => forgetEntries(purging, 'operation') },
]

/**
 * Removes all that there is of a deleted tenant: first on its server, and when that was seen to be gone, in the
 * registry. Its name is free when this resolves, and not before. From here nothing brings the tenant back; called
 * again where it failed, it goes on.
 * @throws {InvalidRequestError} where it is not confirmed; {TenantUnknownError};
 * {PreconditionFailedError} where it is not deleted, may still be undeleted, or the server's admin is out of reach, or
 * where the server is said to be gone and answers.
 */
export async function startPurge(
  parts: LifecycleParts,
  id: string,
  input: PurgeTenant,
  actor: string,
): Promise<Started<TenantPurged>> {
  const { confirm, now, serverGone } = PurgeTenant.parse(input)
  refuseUnconfirmed(id, confirm)
  return inTurn(async () => {
    const tenant = await findTenant(parts.registry, id)
    const before = await unfinished(parts.registry, tenant.record, 'purge')
    const silence = serverGone ? await goneServerOf(parts, tenant) : undefined
    if (before !== undefined) return resumePurgeOfOne(parts, before, actor, silence)
    refuseUndeletable(tenant, now)
    // What an adoption could be undone to is gone with its server.
    if (silence === undefined) await refuseHalfOurs(parts.registry, tenant)
    const data = silence && { data: { silence }, detail: { silent: silence.why } }
    const begin = () =>
      Operation.begin(parts, { kind: 'purge', tenant, change: { status: 'deleting' }, ...data }, actor)
    return carryOut(await Purging.of(parts, tenant.record, begin))
  })
}

/** As `startPurge`, to its end. */
export async function purgeTenant(
  parts: LifecycleParts,
  id: string,
  input: PurgeTenant,
  actor: string,
): Promise<TenantPurged> {
  return (await startPurge(parts, id, input, actor)).result
}

export async function resumePurgeOfOne(
  parts: LifecycleParts,
  operation: Entry<'operation'>,
  actor: string,
  silence?: Silence,
): Promise<Started<TenantPurged>> {
  const { record } = operation
  if (record.state === 'done') throw new PreconditionFailedError(`Operation ${record.id} (purge) is done.`)
  const tenant = await findTenant(parts.registry, record.tenant ?? '')
  const change = { operation: await afterSilence(parts, tenant, record, silence) }
  const take = () => Operation.take(parts, operation, actor, change)
  return carryOut(await Purging.of(parts, tenant.record, take))
}

/** @throws {PreconditionFailedError} where it answers; {InvalidRequestError} where nothing of ours is on it. */
async function goneServerOf(parts: LifecycleParts, { id, record }: Entry<'tenant'>): Promise<Silence> {
  if (record.origin === 'registered')
    throw new InvalidRequestError(`Tenant ${id} is registered: purging it touches nothing on its server.`)
  return refuseAnswering(parts, await findServer(parts.registry, record.route.server))
}

/** A server that was said to be gone and answers now is looked after from the first step on. */
async function afterSilence(
  parts: LifecycleParts,
  { record: tenant }: Entry<'tenant'>,
  { data }: OperationRecord,
  silence: Silence | undefined,
): Promise<Partial<OperationRecord>> {
  if (silence !== undefined) return { data: { ...data, silence } }
  if ((data['silence'] ?? null) === null) return {}
  const still = await silenceOf(parts, await findServer(parts.registry, tenant.route.server))
  if (still !== undefined) return { data: { ...data, silence: still } }
  return { data: { ...data, silence: null }, stepsDone: [] }
}

/** What may still be had back is purged only where somebody says so. */
function refuseUndeletable({ id, record }: Entry<'tenant'>, now: boolean): void {
  const { status, deletion } = record
  if (status !== 'deleted' || deletion === null) {
    throw new PreconditionFailedError(
      `Tenant ${id} is ${status}: only a deleted one is purged. Delete it first.`,
    )
  }
  if (now || Date.parse(deletion.purgeAfter) <= Date.now()) return
  throw new PreconditionFailedError(
    `Tenant ${id} may be undeleted until ${deletion.purgeAfter}. To purge it before, say now (--now).`,
  )
}

/** Of an adoption that can still be undone, the database is its owner's, and what undoing needs would be gone. */
async function refuseHalfOurs(registry: Registry, { id, record }: Entry<'tenant'>): Promise<void> {
  if ((await adoptionOf(registry, record)) === undefined) return
  throw new PreconditionFailedError(
    `Tenant ${id} was adopted, which is neither confirmed nor undone. Confirm it (its database is dropped then), or ` +
      'undelete it and undo that (it is left as it was), and purge again.',
  )
}

function carryOut(purging: Purging): Started<TenantPurged> {
  const { operation, tenant } = purging
  return started(
    operation,
    async () => {
      await using opened = purging
      await operation.run(PURGE_STEPS, opened)
      await forgetTenant(opened)
      return { tenant: tenant.id, generation: tenant.generation, receipt: opened.receipt }
    },
    (error) => ({
      tenant: () => ({
        statusReason: error instanceof TenantryError ? error.message.slice(0, 500) : 'an unexpected error',
      }),
    }),
  )
}
