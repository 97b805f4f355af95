import { z } from 'zod'
import { PreconditionFailedError } from '../../errors.ts'
import { quoteName, quoteText } from '../sql-name.ts'
import type { Provisioning } from './provisioning.ts'

/**
 * The team's first tables, as their owner and in the `public` schema of a database that nobody else has
 * written to yet. The mark that it ran is made in the same transaction: it never runs twice.
 */
export async function applySchema(provisioning: Provisioning): Promise<void> {
  const { plan, schema } = provisioning
  if (schema === undefined || plan.schemaSha256 === null) return
  const mark = `schema ${plan.schemaSha256}`
  const inside = await provisioning.adminInside()
  await inside.transaction(async () => {
    await inside.execute(`set local role ${quoteName(plan.owner)}`)
    const { found } = await inside.row(
      z.object({ found: z.string().nullable() }),
      `select pg_catalog.obj_description('tenantry.stamp'::pg_catalog.regclass, 'pg_class') as found`,
    )
    if (found === mark) return
    await inside.execute('set local search_path to public')
    await inside.script(schema)
    const { role } = await inside.row(
      z.object({ role: z.string() }),
      'select current_user::pg_catalog.text as role',
    )
    if (role !== plan.owner) {
      throw new PreconditionFailedError('The schema text changes the role it runs as, which it may not.')
    }
    await inside.execute(`comment on table tenantry.stamp is ${quoteText(mark)}`)
  })
}
