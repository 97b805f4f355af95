import type { ConnectionTarget } from '../../connection/connection.ts'
import { LoginFailedError, PreconditionFailedError } from '../../errors.ts'
import { targetOf } from '../../registry/route.ts'
import { auditEntry, type LifecycleParts } from '../parts.ts'
import { verifierOf } from '../provision/role-password.ts'
import { AdminSessions } from '../server/admin-sessions.ts'
import { findServer } from '../server/server-view.ts'
import { Session } from '../session.ts'
import { quoteName, quoteText } from '../sql-name.ts'
import { findTenant } from '../tenant/change-tenant.ts'

export const WRONG_PASSWORD = '28P01'

/**
 * Gives a role of ours the password on record again where the server refuses that one: Postgres lets every role change
 * its own, so a tenant's own SQL can lock its application out. Nothing else about the role changes: what may not log in
 * may not afterwards.
 * @returns false where there was nothing to do, or it is not ours to do.
 * @throws {PreconditionFailedError} where the server refuses it still. {TenantUnknownError | RevisionConflictError}
 */
export async function resetLogin(parts: LifecycleParts, id: string, actor: string): Promise<boolean> {
  const { record, revision } = await findTenant(parts.registry, id)
  // An operation that is under way is at the logins itself.
  if (record.origin !== 'provisioned' || record.status !== 'active' || record.operation !== null) return false
  const server = await findServer(parts.registry, record.route.server)
  const target = targetOf(record, server, parts.sealer, parts.registry.id)
  await using admin = AdminSessions.of(parts, server)
  if (admin === undefined || target.password === undefined || !(await isRefused(target))) return false
  const { role } = record.route
  const verifier = await verifierOf(parts, target.password)
  const audit = auditEntry(actor, 'tenant.login.reset', id, { role })
  await parts.registry.commit({ audit }, [{ kind: 'tenant', id, revision }])
  await admin.atHome((session) =>
    session.execute(`alter role ${quoteName(role)} password ${quoteText(verifier)}`),
  )
  if (await isRefused(target))
    throw new PreconditionFailedError(`Role ${role} is refused with the password that was set again.`)
  return true
}

async function isRefused(target: ConnectionTarget): Promise<boolean> {
  try {
    await using session = await Session.readOnly(target)
    return !session.connection.isOpen
  } catch (error) {
    if (error instanceof LoginFailedError && error.sqlstate === WRONG_PASSWORD) return true
    throw error
  }
}
