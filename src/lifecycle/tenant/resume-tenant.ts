import { LoginFailedError, PreconditionFailedError } from '../../errors.ts'
import { adminTargetOf, targetOf } from '../../registry/route.ts'
import { auditEntry, type LifecycleParts } from '../parts.ts'
import { findServer } from '../server/server-view.ts'
import { Session } from '../session.ts'
import { quoteName } from '../sql-name.ts'
import { changeTenant, findTenant } from './change-tenant.ts'
import { type TenantView, viewTenant } from './tenant-view.ts'

/**
 * Lets a suspended tenant in again: first the database, then the registry. An active one stays as it is.
 * @throws {TenantUnknownError | PreconditionFailedError | ServerUnavailableError}
 */
export async function resumeTenant(parts: LifecycleParts, id: string, actor: string): Promise<TenantView> {
  const before = await findTenant(parts.registry, id)
  if (before.record.status === 'active') return viewTenant(before.record, before.revision)
  if (before.record.status !== 'suspended') {
    throw new PreconditionFailedError(`Tenant ${id} is ${before.record.status}, not suspended.`)
  }
  if (before.record.origin === 'provisioned') await unlock(parts, before.record)
  const audit = auditEntry(actor, 'tenant.resume', id)
  const after = await changeTenant(parts.registry, id, audit, ({ status }) => {
    if (status !== 'suspended' && status !== 'active') {
      throw new PreconditionFailedError(`Tenant ${id} is ${status}, not suspended.`)
    }
    return { status: 'active', statusReason: null }
  })
  return viewTenant(after.record, after.revision)
}

async function unlock(
  parts: LifecycleParts,
  tenant: Awaited<ReturnType<typeof findTenant>>['record'],
): Promise<void> {
  const { registry, sealer, adminSealer } = parts
  const server = await findServer(registry, tenant.route.server)
  if (adminSealer !== undefined && server.admin !== null) {
    await using admin = await Session.open(adminTargetOf(server, adminSealer, registry.id, undefined, sealer))
    await admin.execute(`alter role ${quoteName(tenant.route.role)} login`)
    return
  }
  try {
    await using session = await Session.readOnly(targetOf(tenant, server, sealer, registry.id))
    await session.execute('select')
  } catch (error) {
    if (!(error instanceof LoginFailedError)) throw error
    throw new PreconditionFailedError(
      'The role of the tenant is locked, and unlocking it needs TENANTRY_ADMIN_KEY.',
    )
  }
}
