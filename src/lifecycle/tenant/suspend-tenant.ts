import { z } from 'zod'
import { TenantryError } from '../../errors.ts'
import type { AuditEntry } from '../../registry/registry.ts'
import { auditEntry, type LifecycleParts } from '../parts.ts'
import { findServer } from '../server/server-view.ts'
import { changeTenant, findTenant } from './change-tenant.ts'
import { type Fence, type Fencing, fenceTenant } from './fence.ts'
import { slotsOf } from './login-slots.ts'
import { openLogin } from './open-login.ts'
import { type TenantView, viewTenant } from './tenant-view.ts'

export const SuspendTenant = z.strictObject({ reason: z.string().max(500).default('') })
export type SuspendTenant = z.input<typeof SuspendTenant>

export interface TenantSuspended extends Fence {
  readonly tenant: TenantView
}

export const SUSPENSION: Fencing = { again: 'Suspend it again', rolesOf: (_, { route }) => slotsOf(route) }

/**
 * Refuses the tenant's requests and ends its sessions: first in the registry, then, for a provisioned tenant,
 * in the database. Called again it makes sure of both.
 * @param detail for the audit, beside the reason.
 * @throws {TenantUnknownError | PreconditionFailedError}
 */
export async function suspendTenant(
  parts: LifecycleParts,
  id: string,
  input: SuspendTenant,
  actor: string,
  detail: AuditEntry['detail'] = {},
): Promise<TenantSuspended> {
  const { reason } = SuspendTenant.parse(input)
  const audit = auditEntry(actor, 'tenant.suspend', id, { reason, ...detail })
  const change = { status: 'suspended' as const, statusReason: reason || null }
  const { record, revision } = await changeTenant(parts.registry, id, audit, () => change)
  const tenant = viewTenant(record, revision)
  try {
    const server = await findServer(parts.registry, record.route.server)
    const fence = await fenceTenant(parts, record, server, SUSPENSION)
    return (await resumedMeanwhile(parts, id, fence)) ?? { tenant, ...fence }
  } catch (error) {
    if (!(error instanceof TenantryError)) throw error
    const caveat = `Suspended in the registry; its sessions could not be ended (${error.code}). Suspend it again.`
    return { tenant, fence: 'registry', sessionsEnded: 0, caveat }
  }
}

/** Where somebody let it in again before it was locked: what is served must not stay locked. */
async function resumedMeanwhile(
  parts: LifecycleParts,
  id: string,
  { sessionsEnded }: Fence,
): Promise<TenantSuspended | undefined> {
  const { record, revision } = await findTenant(parts.registry, id)
  if (record.status !== 'active') return undefined
  await openLogin(parts, record)
  const caveat = 'Somebody resumed it meanwhile: it is served. Suspend it again.'
  return { tenant: viewTenant(record, revision), fence: 'registry', sessionsEnded, caveat }
}
