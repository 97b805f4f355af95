import { PreconditionFailedError } from '../../errors.ts'
import { quoteName, quoteText } from '../sql-name.ts'
import { countSessions, endSessions, endSessionsOfRole } from '../tenant/fence.ts'
import { ownerOf, refuseAnothers } from './drop-database.ts'
import { become, ownRoles } from './own-roles.ts'
import type { Purging } from './purging.ts'

/**
 * Lets nobody into the tenant's database any more, and ends whoever is there as far as we may: as its roles, and as
 * the admin.
 */
export async function endAllSessions(purging: Purging): Promise<void> {
  const { tenant } = purging
  if (tenant.origin === 'registered') {
    const since = tenant.deletion?.at ?? 'it was deleted'
    const detail = `The router has opened none since ${since}; its role is its owner's, and so is what else logs in as it.`
    return purging.note({ what: 'sessions', outcome: 'left', count: 0, detail })
  }
  const admin = await purging.admin()
  const { database } = tenant.route
  const owner = await ownerOf(admin, database)
  if (owner !== undefined) {
    await refuseAnothers(purging, owner)
    const close = `alter database ${quoteName(database)} allow_connections false`
    await become(admin, owner, () => admin.execute(close))
  }
  let count = 0
  const roles = await ownRoles(admin, tenant)
  for (const { name } of roles) {
    await admin.execute(`alter role ${quoteName(name)} nologin`)
    count += await endSessionsOfRole(admin, name)
  }
  // Our own verbs may be at work inside, as the admin.
  const there = `s.datname = ${quoteText(database)}`
  count += await endSessions(admin, `${there} and s.usename = current_user`)
  // What a superuser's session is, is hidden from the admin; workers of the server have no user.
  const left = await countSessions(admin, `${there} and s.usename is not null`)
  if (left > 0) {
    throw new PreconditionFailedError(
      `${left} session(s) of roles that are not ours are in database ${database}: end them, and purge again.`,
    )
  }
  const detail = `No session is in database ${database}, and none of ${roles.length} roles has one.`
  await purging.note({ what: 'sessions', outcome: 'gone', count, detail })
}
