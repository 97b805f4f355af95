import { z } from 'zod'
import { InternalError, PreconditionFailedError } from '../../errors.ts'
import type { TenantRecord } from '../../tenant/tenant-record.ts'
import type { AdminSessions } from '../server/admin-sessions.ts'
import type { Session } from '../session.ts'
import { quoteName, quoteText } from '../sql-name.ts'
import { alignRights } from './group-rights.ts'
import { shutRole } from './shut-role.ts'

/** Connections that one login may have: a person with a tool that opens a few. */
const CONNECTION_LIMIT = 3

export interface PersonRole {
  readonly login: string
  readonly group: string
  readonly readOnly: boolean
  /** ISO: its password is refused from then on. */
  readonly validUntil: string
}

/** Makes the group what it is to be, and in it a role that has no password yet and cannot log in. */
export async function makePersonRole(
  sessions: AdminSessions,
  { route }: TenantRecord,
  { login, group, readOnly, validUntil }: PersonRole,
): Promise<void> {
  const { database } = route
  const owner = await sessions.ownerOf(database)
  if (owner === undefined) throw new PreconditionFailedError(`The server has no database ${database}.`)
  const admin = await sessions.home()
  const [role, members] = [quoteName(login), quoteName(group)]
  await admin.create(`create role ${members} nologin`)
  await admin.asRole(owner, () =>
    admin.execute(`grant connect on database ${quoteName(database)} to ${members}`),
  )
  for (const maker of [owner, ...(await otherMakers(sessions, database, owner, route.role))])
    await sessions.inside(database, maker, (inside) =>
      alignRights(inside, { slot: route.role, group, readOnly }),
    )
  await admin.create(`create role ${role} nologin`)
  await admin.execute(
    `alter role ${role} nologin connection limit ${CONNECTION_LIMIT} valid until ${quoteText(validUntil)}`,
  )
  // To end its sessions one day.
  await admin.execute(`grant ${role} to current_user${await membershipOptions(admin)}`)
  await admin.execute(`grant ${members} to ${role}`)
}

/** In a database that was adopted, tables stay those of who made them. */
function otherMakers(
  sessions: AdminSessions,
  database: string,
  owner: string,
  slot: string,
): Promise<string[]> {
  return sessions.inside(database, owner, async (inside) => {
    const rows = await inside.rows(
      z.object({ name: z.string() }),
      `select r.rolname::pg_catalog.text as name from pg_catalog.pg_roles r
        where r.rolname <> ${quoteText(owner)}
          and pg_catalog.pg_has_role(session_user, r.oid, 'MEMBER')
          and exists (
            select from (
              select c.relowner as maker, c.relacl as acl from pg_catalog.pg_class c
              union all select p.proowner, p.proacl from pg_catalog.pg_proc p
              union all select n.nspowner, n.nspacl from pg_catalog.pg_namespace n
              union all select d.defaclrole, d.defaclacl from pg_catalog.pg_default_acl d
            ) x, lateral pg_catalog.aclexplode(x.acl) a
             where x.maker = r.oid and pg_catalog.pg_get_userbyid(a.grantee) = ${quoteText(slot)})
        order by 1`,
    )
    return rows.map(({ name }) => name)
  })
}

/** A role is granted to the admin to become it, not to have its rights unasked. */
async function membershipOptions(admin: Session): Promise<string> {
  const { version } = await admin.row(
    z.object({ version: z.int() }),
    `select pg_catalog.current_setting('server_version_num')::pg_catalog.int4 as version`,
  )
  return version >= 160_000 ? ' with inherit false, set true' : ''
}

const Found = z.object({
  login: z.boolean(),
  powers: z.boolean(),
  connectionLimit: z.int(),
  isTimed: z.boolean(),
  groups: z.array(z.string()),
})

/** @throws {InternalError} where the role is not as it was made. */
export async function readBackPersonRole(
  admin: Session,
  { login, group, validUntil }: PersonRole,
): Promise<void> {
  const found = await admin.row(
    Found,
    `select r.rolcanlogin as login, r.rolconnlimit as "connectionLimit",
       r.rolsuper or r.rolcreatedb or r.rolcreaterole or r.rolreplication or r.rolbypassrls as powers,
       r.rolvaliduntil = ${quoteText(validUntil)}::pg_catalog.timestamptz as "isTimed",
       array(select pg_catalog.pg_get_userbyid(m.roleid)::pg_catalog.text
               from pg_catalog.pg_auth_members m where m.member = r.oid) as groups
       from pg_catalog.pg_roles r where r.rolname = ${quoteText(login)}`,
  )
  const isAsMeant =
    found.login &&
    !found.powers &&
    found.connectionLimit === CONNECTION_LIMIT &&
    found.isTimed &&
    found.groups.join() === group
  if (!isAsMeant) throw new InternalError(`role ${login} is not as it was made: ${JSON.stringify(found)}`)
}

/**
 * Ends what the role has open and drops it. One that is not there is as good as dropped.
 * @throws {PreconditionFailedError} where it owns data, which would go with it: it is shut then, and stays.
 */
export async function dropPersonRole(
  sessions: AdminSessions,
  { route }: TenantRecord,
  login: string,
): Promise<number> {
  if (!(await sessions.logins([login])).has(login)) return 0
  const admin = await sessions.home()
  const ended = await shutRole(admin, login)
  if ((await sessions.ownerOf(route.database)) !== undefined)
    await sessions.inside(route.database, login, (inside) => dropOwned(inside, login))
  await admin.execute(`drop role ${quoteName(login)}`)
  return ended
}

/** As the role itself: it can make no tables, but rights for things that it would make, and large objects. */
async function dropOwned(inside: Session, login: string): Promise<void> {
  const { objects } = await inside.row(
    z.object({ objects: z.int() }),
    `select pg_catalog.count(*)::pg_catalog.int4 as objects from pg_catalog.pg_largeobject_metadata
      where pg_catalog.pg_get_userbyid(lomowner) = ${quoteText(login)}`,
  )
  if (objects > 0)
    throw new PreconditionFailedError(
      `Role ${login} cannot log in any more, but it owns ${objects} large objects: it is kept until those are gone.`,
    )
  await inside.execute(`drop owned by ${quoteName(login)}`)
}
