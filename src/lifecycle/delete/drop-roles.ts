import { InternalError } from '../../errors.ts'
import { quoteName } from '../sql-name.ts'
import { ownRoles } from './own-roles.ts'
import type { Purging } from './purging.ts'

/** Drops a provisioned tenant's roles and looks whether they are gone. That of a registered one is its owner's. */
export async function dropRoles(purging: Purging): Promise<void> {
  const { tenant } = purging
  const { role, server, database } = tenant.route
  if (tenant.origin === 'registered') {
    const detail = `Role ${JSON.stringify(role)} on server ${server} was there before us: it is left as it is.`
    return purging.note({ what: 'roles', outcome: 'left', count: 0, detail })
  }
  const admin = await purging.admin()
  const roles = await ownRoles(admin, tenant)
  for (const { name } of roles) await admin.execute(`drop role ${quoteName(name)}`)
  const left = await ownRoles(admin, tenant)
  if (left.length > 0) throw new InternalError(`${left.length} roles are there after they were dropped`)
  const names = roles.map(({ name }) => name).join(', ')
  const detail = `No role of database ${database} is on server ${server}${names && `; dropped: ${names}`}.`
  await purging.note({ what: 'roles', outcome: 'gone', count: roles.length, detail })
}
