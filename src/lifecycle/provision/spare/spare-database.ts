import { z } from 'zod'
import { quoteName, quoteText } from '../../sql-name.ts'
import { createDatabase, openDatabase } from '../database.ts'
import { furnish } from '../furnish.ts'
import type { Making } from '../making.ts'
import { namesOf, rolesOf } from '../names.ts'
import { makeRoles } from '../roles.ts'
import { ownContents } from '../template/own-contents.ts'

/** No tenant has that: a stamp of nobody, until a tenant takes the database. */
const NOBODY = { tenant: '', generation: 0, state: 'spare' } as const

/** Makes one whole, as whose roles nobody can log in yet. May run again after it ran in part. */
export async function furnishSpare(making: Making): Promise<void> {
  await makeRoles(making)
  await createDatabase(making)
  await openDatabase(making)
  await ownContents(making)
  await furnish(making, NOBODY)
}

/** Removes database and roles, as far as they are there. */
export async function dropSpare(making: Making<{ database: string; incarnation: string }>): Promise<void> {
  const names = namesOf(making.plan.database, making.plan.incarnation)
  const admin = await making.admin()
  const found = await admin.rows(
    z.object({ name: z.string() }),
    `select d.datname::text as name from pg_catalog.pg_database d where d.datname = ${quoteText(names.database)}`,
  )
  // As its owner, which the admin is not.
  if (found.length > 0)
    await admin.asRole(names.owner, () => admin.execute(`drop database ${quoteName(names.database)}`))
  for (const role of rolesOf(names).toReversed())
    await admin.execute(`drop role if exists ${quoteName(role)}`)
}
