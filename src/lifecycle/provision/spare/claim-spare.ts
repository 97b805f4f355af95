import { z } from 'zod'
import { PreconditionFailedError } from '../../../errors.ts'
import type { Entry } from '../../../registry/registry.ts'
import type { ServerRecord, Spare } from '../../../registry/server-record.ts'
import { turnOn } from '../../server/turn.ts'
import { quoteText } from '../../sql-name.ts'
import type { Provisioning } from '../provisioning.ts'
import { letIn, readBackRoles } from '../roles.ts'

/** One that is ready, and made of the same template. */
export function spareFor({ spares }: ServerRecord, template: string | undefined): Spare | undefined {
  return spares?.ready.find((spare) => spare.template === (template ?? null))
}

/** What a commit must hold so that this spare is taken, and by nobody else. */
export function takingSpare({ record, ...entry }: Entry<'server'>, { database }: Spare) {
  const { spares } = record
  const ready = spares?.ready.filter((spare) => spare.database !== database) ?? []
  return turnOn([{ ...entry, record: spares ? { ...record, spares: { ...spares, ready } } : record }])
}

const Stamp = z.object({ tenant: z.string(), generation: z.string(), state: z.string() })

/**
 * Makes a spare the tenant's: its stamp, the limits of its roles and their password. The stamp of a spare is written
 * over once: a second tenant that was told to take it finds the first.
 */
export async function claimSpare(provisioning: Provisioning): Promise<void> {
  const { plan, tenant } = provisioning
  const inside = await provisioning.adminInside()
  const found = await inside.asRole(plan.owner, () =>
    inside.row(
      Stamp,
      `with claimed as (
         update tenantry.stamp set tenant_id = ${quoteText(tenant.id)}, generation = ${plan.generation}, state = 'live'
          where state = 'spare' and incarnation = ${quoteText(plan.incarnation)}
         returning tenant_id, generation, state)
       select tenant_id as tenant, generation::text as generation, state from (
         select * from claimed union all
         select tenant_id, generation, state from tenantry.stamp where not exists (select from claimed)) s`,
    ),
  )
  const isOurs =
    found.tenant === tenant.id && found.generation === String(plan.generation) && found.state === 'live'
  if (!isOurs) {
    throw new PreconditionFailedError(
      `Spare database ${plan.database} has the stamp of ${found.tenant || 'nobody'} (${found.state}).`,
    )
  }
  await letIn(provisioning, inside)
  provisioning.early(() => provisioning.login())
  await readBackRoles(inside, plan)
}
