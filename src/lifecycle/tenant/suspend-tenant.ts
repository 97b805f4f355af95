import { z } from 'zod'
import { TenantryError } from '../../errors.ts'
import type { AuditEntry } from '../../registry/registry.ts'
import { auditEntry, type LifecycleParts } from '../parts.ts'
import { findServer } from '../server/server-view.ts'
import { changeTenant } from './change-tenant.ts'
import { type Fence, type Fencing, fenceTenant } from './fence.ts'
import { slotsOf } from './login-slots.ts'
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
    return { tenant, ...(await fenceTenant(parts, record, server, SUSPENSION)) }
  } catch (error) {
    if (!(error instanceof TenantryError)) throw error
    const caveat = `Suspended in the registry; its sessions could not be ended (${error.code}). Suspend it again.`
    return { tenant, fence: 'registry', sessionsEnded: 0, caveat }
  }
}
