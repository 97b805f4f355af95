import { z } from 'zod'
import { InvalidRequestError, PreconditionFailedError } from '../../errors.ts'
import { quoteName, quoteText } from '../sql-name.ts'
import { firstWords } from './first-words.ts'
import type { Provisioning } from './provisioning.ts'

const CONTROL = /^(?:ABORT|BEGIN|COMMIT|END|START|PREPARE TRANSACTION|ROLLBACK(?! TO$))\b/

/** @throws {InvalidRequestError} for a text that begins or ends a transaction: it runs in one of ours. */
export function refuseTransactionsIn(schema: string): void {
  for (const [index, words] of firstWords(schema).entries()) {
    const word = CONTROL.exec(words)?.[0]
    if (word === undefined) continue
    throw new InvalidRequestError(
      `Statement ${index + 1} of the schema is ${word}: its transaction is begun and ended for you.`,
    )
  }
}

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
    if (found?.startsWith('schema ')) {
      throw new PreconditionFailedError('Another schema text has run already. Give that one again to go on.')
    }
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
