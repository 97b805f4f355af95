import { z } from 'zod'
import { InternalError } from '../../errors.ts'
import type { Session } from '../session.ts'
import { quoteName, quoteText } from '../sql-name.ts'
import type { Provisioning } from './provisioning.ts'

/**
 * Closed from the first moment: CREATE DATABASE alone would let every role of the server in. From template0,
 * since a session parked in template1 makes the copy of that one fail.
 */
export async function createDatabase(provisioning: Provisioning): Promise<void> {
  const { database, owner } = provisioning.plan
  const admin = await provisioning.admin()
  await admin.create(
    `create database ${quoteName(database)} owner ${quoteName(owner)} template template0 allow_connections false`,
  )
  const found = await lookUp(admin, database)
  if (found.owner !== owner) throw new InternalError(`database ${database} has owner ${found.owner}`)
}

/** Nobody but the owner, the two slots and the admin. */
export async function closeDatabase(provisioning: Provisioning): Promise<void> {
  const { database, owner, slots } = provisioning.plan
  const admin = await provisioning.admin()
  const name = quoteName(database)
  const guests = [slots.a, slots.b, provisioning.adminRole()]
  await admin.asRole(owner, async () => {
    await admin.execute(`revoke all on database ${name} from public`)
    for (const guest of guests)
      await admin.execute(`grant connect on database ${name} to ${quoteName(guest)}`)
  })
  const { grants } = await lookUp(admin, database)
  const meant = [
    ...['CONNECT', 'CREATE', 'TEMPORARY'].map((right) => `${owner} ${right}`),
    ...guests.map((guest) => `${guest} CONNECT`),
  ].toSorted()
  if (grants.join() !== meant.join()) {
    throw new InternalError(`database ${database} grants ${grants.join()}, meant is ${meant.join()}`)
  }
}

export async function openDatabase(provisioning: Provisioning): Promise<void> {
  const { database, owner } = provisioning.plan
  const admin = await provisioning.admin()
  await admin.asRole(owner, () =>
    admin.execute(`alter database ${quoteName(database)} allow_connections true`),
  )
  const found = await lookUp(admin, database)
  if (!found.isOpen) throw new InternalError(`database ${database} accepts no connections`)
}

const Found = z.object({ owner: z.string(), isOpen: z.boolean(), grants: z.array(z.string()) })

async function lookUp(admin: Session, database: string): Promise<z.output<typeof Found>> {
  const found = await admin.row(
    Found,
    `select r.rolname::text as owner, d.datallowconn as "isOpen",
       array(select coalesce(g.rolname::text, 'PUBLIC') || ' ' || a.privilege_type
               from pg_catalog.aclexplode(d.datacl) a left join pg_catalog.pg_roles g on g.oid = a.grantee) as grants
       from pg_catalog.pg_database d join pg_catalog.pg_roles r on r.oid = d.datdba
      where d.datname = ${quoteText(database)}`,
  )
  return { ...found, grants: found.grants.toSorted() }
}
