import { z } from 'zod'
import { InternalError, PreconditionFailedError } from '../../errors.ts'
import { readStamp, strangerIn } from '../../router/identity.ts'
import type { Session } from '../session.ts'
import { quoteName, quoteText } from '../sql-name.ts'
import { become, isNamedByUs } from './own-roles.ts'
import type { Purging } from './purging.ts'

/** Of a DROP DATABASE: it waits for a checkpoint, and removes files. */
const DROP_TIMEOUT_MS = 600_000

/** Drops a provisioned tenant's database and looks whether it is gone. That of a registered one is its owner's. */
export async function dropDatabase(purging: Purging): Promise<void> {
  const { tenant } = purging
  const { database, server } = tenant.route
  if (tenant.origin === 'registered') {
    const detail = `Database ${JSON.stringify(database)} on server ${server} was there before us: it is left as it is.`
    return purging.note({ what: 'database', outcome: 'left', count: 0, detail })
  }
  const admin = await purging.admin()
  const owner = await ownerOf(admin, database)
  if (owner !== undefined) {
    await refuseAnothers(purging, owner)
    await admin.execute(`set statement_timeout to ${DROP_TIMEOUT_MS}`)
    // Without FORCE, which asks for rights over every session: there are none, or it fails.
    await become(admin, owner, () => admin.execute(`drop database ${quoteName(database)}`))
  }
  const still = await ownerOf(admin, database)
  if (still !== undefined) throw new InternalError(`database ${database} is there after it was dropped`)
  const detail = `Database ${database} is not on server ${server}.`
  await purging.note({ what: 'database', outcome: 'gone', count: owner === undefined ? 0 : 1, detail })
}

/** Undefined where there is no such database. */
export async function ownerOf(admin: Session, database: string): Promise<string | undefined> {
  const rows = await admin.rows(
    z.object({ owner: z.string() }),
    `select pg_catalog.pg_get_userbyid(d.datdba)::pg_catalog.text as owner
       from pg_catalog.pg_database d where d.datname = ${quoteText(database)}`,
  )
  return rows[0]?.owner
}

/**
 * A name that somebody else chose may lead to another database by now. One that we chose cannot, and may have no stamp yet.
 * @throws {PreconditionFailedError}
 */
export async function refuseAnothers(purging: Purging, owner: string): Promise<void> {
  const { tenant } = purging
  const { database } = tenant.route
  if (isNamedByUs(database)) return
  const stamp = await lookInside(purging, owner)
  const stranger = typeof stamp === 'string' ? stamp : strangerIn(stamp, tenant)
  if (stranger === undefined) return
  throw new PreconditionFailedError(
    `Database ${database} is not that of tenant ${tenant.id} (${stranger}): it is not dropped.`,
  )
}

async function lookInside(purging: Purging, owner: string) {
  const admin = await purging.admin()
  const { database } = purging.tenant.route
  const { isOpen } = await admin.row(
    z.object({ isOpen: z.boolean() }),
    `select d.datallowconn as "isOpen" from pg_catalog.pg_database d where d.datname = ${quoteText(database)}`,
  )
  const allow = (may: boolean) =>
    become(admin, owner, () =>
      admin.execute(`alter database ${quoteName(database)} allow_connections ${may}`),
    )
  if (!isOpen) await allow(true)
  try {
    await using inside = await purging.adminInside()
    return await inside.asRole(owner, () => readStamp(inside.connection))
  } finally {
    if (!isOpen) await allow(false)
  }
}
