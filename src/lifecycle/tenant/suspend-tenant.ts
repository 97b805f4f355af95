import { z } from 'zod'
import { PreconditionFailedError, TenantryError } from '../../errors.ts'
import { adminTargetOf, targetOf } from '../../registry/route.ts'
import type { ServerRecord } from '../../registry/server-record.ts'
import type { TenantRecord } from '../../tenant/tenant-record.ts'
import { auditEntry, type LifecycleParts } from '../parts.ts'
import { findServer } from '../server/server-view.ts'
import { Session } from '../session.ts'
import { quoteName, quoteText } from '../sql-name.ts'
import { changeTenant } from './change-tenant.ts'
import { slotsOf } from './login-slots.ts'
import { type TenantView, viewTenant } from './tenant-view.ts'

export const SuspendTenant = z.strictObject({ reason: z.string().max(500).default('') })
export type SuspendTenant = z.input<typeof SuspendTenant>

export interface TenantSuspended {
  readonly tenant: TenantView
  /** Whether the database itself refuses the tenant now, or only the router does. */
  readonly fence: 'database' | 'registry'
  readonly sessionsEnded: number
  /** What the fence does not hold back, in words; null where it is whole. */
  readonly caveat: string | null
}

/**
 * Refuses the tenant's requests and ends its sessions: first in the registry, then, for a provisioned tenant,
 * in the database. Called again it makes sure of both.
 * @throws {TenantUnknownError | PreconditionFailedError}
 */
export async function suspendTenant(
  parts: LifecycleParts,
  id: string,
  input: SuspendTenant,
  actor: string,
): Promise<TenantSuspended> {
  const { reason } = SuspendTenant.parse(input)
  const audit = auditEntry(actor, 'tenant.suspend', id, { reason })
  const change = { status: 'suspended' as const, statusReason: reason || null }
  const { record, revision } = await changeTenant(parts.registry, id, audit, () => change)
  const tenant = viewTenant(record, revision)
  try {
    const server = await findServer(parts.registry, record.route.server)
    return { tenant, ...(await fence(parts, record, server)) }
  } catch (error) {
    if (!(error instanceof TenantryError)) throw error
    const caveat = `Suspended in the registry; its sessions could not be ended (${error.code}). Suspend it again.`
    return { tenant, fence: 'registry', sessionsEnded: 0, caveat }
  }
}

async function fence(parts: LifecycleParts, tenant: TenantRecord, server: ServerRecord) {
  const { registry, sealer, adminSealer } = parts
  if (tenant.origin === 'provisioned' && adminSealer !== undefined && server.admin !== null) {
    await using admin = await Session.open(adminTargetOf(server, adminSealer, registry.id, undefined, sealer))
    return { fence: 'database' as const, sessionsEnded: await lockOut(admin, tenant), caveat: null }
  }
  await using session = await Session.open(targetOf(tenant, server, sealer, registry.id))
  const sessionsEnded = await endSessions(session, tenant)
  const caveat =
    tenant.origin === 'registered'
      ? `Role ${tenant.route.role} is not ours to lock: whoever has its password can still log in to the database directly.`
      : 'This process has no TENANTRY_ADMIN_KEY: the role can still log in. Suspend it again where the key is.'
  return { fence: 'registry' as const, sessionsEnded, caveat }
}

/** NOLOGIN before the sessions end, so that none begins after. */
async function lockOut(admin: Session, { route }: TenantRecord): Promise<number> {
  let ended = 0
  for (const slot of slotsOf(route)) {
    await admin.execute(`alter role ${quoteName(slot)} nologin`)
    ended += await admin.asRole(slot, () => endSessionsOf(admin, `s.usename = ${quoteText(slot)}`))
  }
  return ended
}

function endSessions(session: Session, { route }: TenantRecord): Promise<number> {
  return endSessionsOf(
    session,
    `s.usename = session_user and s.datname = ${quoteText(route.database)} and s.pid <> pg_catalog.pg_backend_pid()`,
  )
}

const ROUNDS = 5

async function endSessionsOf(session: Session, which: string): Promise<number> {
  let ended = 0
  for (let round = 1; round <= ROUNDS; round += 1) {
    const rows = await session.rows(
      z.object({ gone: z.boolean() }),
      `select pg_catalog.pg_terminate_backend(s.pid, 1000) as gone from pg_catalog.pg_stat_activity s where ${which}`,
    )
    if (rows.length === 0) return ended
    ended += rows.filter(({ gone }) => gone).length
  }
  throw new PreconditionFailedError('Sessions of the tenant go on beginning or do not end.')
}
