import { PreconditionFailedError } from '../../errors.ts'
import { targetOf } from '../../registry/route.ts'
import { auditEntry, type LifecycleParts } from '../parts.ts'
import { findServer } from '../server/server-view.ts'
import { Session } from '../session.ts'
import { changeTenant, findTenant } from './change-tenant.ts'
import { checkIsolation } from './isolation.ts'
import { neighboursOn } from './neighbours.ts'
import { type TenantView, viewTenant } from './tenant-view.ts'

/**
 * Looks again whether the tenant's role is isolated, and keeps what was found: after somebody made it so, or
 * another database of the server was closed.
 * @throws {TenantUnknownError | PreconditionFailedError | LoginFailedError | ServerUnavailableError}
 */
export async function checkTenant(parts: LifecycleParts, id: string, actor: string): Promise<TenantView> {
  const { registry, sealer } = parts
  const { record } = await findTenant(registry, id)
  if (record.status !== 'active') {
    throw new PreconditionFailedError(`Tenant ${id} is ${record.status}: only an active one can be checked.`)
  }
  const server = await findServer(registry, record.route.server)
  const neighbours = await neighboursOn(registry, server.id, id)
  await using session = await Session.readOnly(targetOf(record, server, sealer, registry.id))
  const isolation = await checkIsolation(
    session,
    neighbours.map((entry) => entry.record),
  )
  const audit = auditEntry(actor, 'tenant.check', id, { isolated: isolation.isolated })
  const after = await changeTenant(registry, id, audit, ({ route }) => {
    // What was found is of the role and the database that were asked.
    const isSame = route.role === record.route.role && route.database === record.route.database
    return isSame ? { isolation } : {}
  })
  return viewTenant(after.record, after.revision)
}
