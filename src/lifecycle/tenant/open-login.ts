import { LoginFailedError, PreconditionFailedError } from '../../errors.ts'
import { targetOf } from '../../registry/route.ts'
import type { TenantRecord } from '../../tenant/tenant-record.ts'
import type { LifecycleParts } from '../parts.ts'
import { AdminSessions } from '../server/admin-sessions.ts'
import { findServer } from '../server/server-view.ts'
import { Session } from '../session.ts'
import { quoteName } from '../sql-name.ts'

/**
 * Lets the role of a tenant's route log in, where it is ours. One that may already is left as it is.
 * @throws {PreconditionFailedError} where it is locked and this process has no key of the admin; {ServerUnavailableError}
 */
export async function openLogin(parts: LifecycleParts, tenant: TenantRecord): Promise<void> {
  if (tenant.origin === 'registered') return
  const server = await findServer(parts.registry, tenant.route.server)
  await using admin = AdminSessions.of(parts, server)
  if (admin !== undefined) {
    const { role } = tenant.route
    if ((await admin.logins([role])).get(role)) return
    await admin.atHome((session) => session.execute(`alter role ${quoteName(role)} login`))
    return
  }
  try {
    await using session = await Session.readOnly(targetOf(tenant, server, parts.sealer, parts.registry.id))
    await session.execute('select')
  } catch (error) {
    if (!(error instanceof LoginFailedError)) throw error
    throw new PreconditionFailedError(
      'The role of the tenant is locked, and unlocking it needs TENANTRY_ADMIN_KEY.',
    )
  }
}
