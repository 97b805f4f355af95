import { z } from 'zod'
import { InternalError } from '../../errors.ts'
import type { Entry } from '../../registry/registry.ts'
import { readPin } from '../../router/identity.ts'
import type { Isolation } from '../../tenant/tenant-record.ts'
import { isSettled, settleServer } from '../server/cluster.ts'
import { findServerEntry } from '../server/server-view.ts'
import { checkIsolation } from '../tenant/isolation.ts'
import { neighboursOf } from '../tenant/neighbours.ts'
import type { Provisioning } from './provisioning.ts'

const Stamp = z.object({
  tenant: z.string(),
  generation: z.string(),
  incarnation: z.string(),
  state: z.string(),
})

export interface Proof {
  readonly isolation: Isolation
  /** Of the cluster, as they were before its tenants were looked at. */
  readonly servers: readonly Entry<'server'>[]
}

/**
 * Logs in as the router will, reads the stamp, and checks that the role reaches no other tenant.
 * @throws {RevisionConflictError} where somebody else changes the server.
 */
export async function proveLogin(provisioning: Provisioning, actor: string): Promise<Proof> {
  const { tenant, plan, parts } = provisioning
  const session = await provisioning.login()
  const stamp = await session.row(
    Stamp,
    'select tenant_id as tenant, generation::text as generation, incarnation::text as incarnation, state from tenantry.stamp',
  )
  const isOurs =
    stamp.tenant === tenant.id &&
    stamp.generation === String(plan.generation) &&
    stamp.incarnation === plan.incarnation &&
    stamp.state === 'live'
  if (!isOurs) throw new InternalError(`the stamp in ${plan.database} is another: ${JSON.stringify(stamp)}`)
  const { registry } = parts
  const server = await findServerEntry(registry, tenant.route.server)
  const pin = await readPin(session.connection)
  if (!isSettled(server, pin)) await settleServer(registry, server, pin, actor)
  const place = { server: server.record, pin, except: tenant.id }
  const neighbours = await neighboursOf(registry, session, place)
  return { isolation: await checkIsolation(session, neighbours), servers: neighbours.servers }
}
