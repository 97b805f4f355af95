import { z } from 'zod'
import { InternalError } from '../../errors.ts'
import type { Isolation } from '../../tenant/tenant-record.ts'
import { Session } from '../session.ts'
import { checkIsolation } from '../tenant/isolation.ts'
import { neighboursOn } from '../tenant/neighbours.ts'
import type { Provisioning } from './provisioning.ts'

const Stamp = z.object({
  tenant: z.string(),
  generation: z.string(),
  incarnation: z.string(),
  state: z.string(),
})

/** Logs in as the router will, reads the stamp, and checks that the role reaches no other tenant. */
export async function proveLogin(provisioning: Provisioning): Promise<Isolation> {
  const { tenant, plan, parts } = provisioning
  await using session = await Session.readOnly(provisioning.tenantTarget())
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
  const neighbours = await neighboursOn(parts.registry, tenant.route.server, tenant.id)
  return await checkIsolation(
    session,
    neighbours.map(({ record }) => record),
  )
}
