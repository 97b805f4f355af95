import { PreconditionFailedError } from '../../errors.ts'
import type { Entry } from '../../registry/registry.ts'
import { targetOf } from '../../registry/route.ts'
import { readPin } from '../../router/identity.ts'
import { auditEntry, type LifecycleParts, now } from '../parts.ts'
import { isSettled, settleServer } from '../server/cluster.ts'
import { findServerEntry } from '../server/server-view.ts'
import { inTurn, turnOn } from '../server/turn.ts'
import { Session } from '../session.ts'
import { findTenant } from './change-tenant.ts'
import { checkIsolation } from './isolation.ts'
import { neighboursOf } from './neighbours.ts'
import { type TenantView, viewTenant } from './tenant-view.ts'

/**
 * Looks again whether the tenant's role is isolated, and keeps what was found: after somebody made it so, or
 * another database of the server was closed.
 * @throws {TenantUnknownError | PreconditionFailedError | LoginFailedError | ServerUnavailableError}
 */
export function checkTenant(parts: LifecycleParts, id: string, actor: string): Promise<TenantView> {
  return inTurn(async () => check(parts, await findTenant(parts.registry, id), actor))
}

async function check(
  { registry, sealer }: LifecycleParts,
  { id, revision, record }: Entry<'tenant'>,
  actor: string,
): Promise<TenantView> {
  if (record.status !== 'active') {
    throw new PreconditionFailedError(`Tenant ${id} is ${record.status}: only an active one can be checked.`)
  }
  const server = await findServerEntry(registry, record.route.server)
  await using session = await Session.readOnly(targetOf(record, server.record, sealer, registry.id))
  const pin = await readPin(session.connection)
  if (!isSettled(server, pin)) await settleServer(registry, server, pin, actor)
  const neighbours = await neighboursOf(registry, session, { server: server.record, pin, except: id })
  const isolation = await checkIsolation(session, neighbours)
  const turn = turnOn(neighbours.servers)
  const after = { ...record, isolation, updatedAt: now() }
  const [revisionAfter = 0] = await registry.commit(
    {
      puts: [{ kind: 'tenant', id, record: after }, ...turn.puts],
      audit: auditEntry(actor, 'tenant.check', id, { isolated: isolation.isolated }),
    },
    [{ kind: 'tenant', id, revision }, ...turn.expectations],
  )
  return viewTenant(after, revisionAfter)
}
