import { z } from 'zod'
import type { Entry } from '../../registry/registry.ts'
import type { Isolation } from '../../tenant/tenant-record.ts'
import { now } from '../parts.ts'
import type { Session } from '../session.ts'
import { namesAsSql } from '../sql-name.ts'
import { IS_NAMED_BY_US } from './doors.ts'
import type { Neighbours } from './neighbours.ts'

/**
 * Whether the role `r` gets into the database `d`: one of our making that is not open is closed to others before it is
 * opened.
 */
export const GETS_IN = `pg_catalog.has_database_privilege(r.oid, d.oid, 'CONNECT')
  and (d.datallowconn or not (${IS_NAMED_BY_US}))`

/** What the role `r` is, and is a member of, as columns. */
export const STANDING = `pg_catalog.concat_ws(', ', case when r.rolsuper then 'SUPERUSER' end,
    case when r.rolcreaterole then 'CREATEROLE' end, case when r.rolcreatedb then 'CREATEDB' end,
    case when r.rolreplication then 'REPLICATION' end, case when r.rolbypassrls then 'BYPASSRLS' end) as attributes,
  array(select distinct pg_catalog.pg_get_userbyid(m.roleid)::pg_catalog.text
          from pg_catalog.pg_auth_members m where m.member = r.oid order by 1) as memberships`

/** What the role `r` is and has, as columns; what it gets into comes beside them. */
export const POWERS = `r.rolname::text as role, ${STANDING},
  array(select d.datname::text from pg_catalog.pg_database d where d.datdba = r.oid order by 1) as owned`

/** A row of them, with the names of the databases of other tenants that the role gets into. */
export const Powers = z.object({
  role: z.string(),
  attributes: z.string(),
  memberships: z.array(z.string()),
  owned: z.array(z.string()),
  reached: z.array(z.string()),
})

/**
 * Whether the role of this session is cut off from every other tenant of its server. Only then may SQL that
 * a tenant wrote itself run as it.
 */
export async function checkIsolation(
  session: Session,
  { tenants, sharers }: Pick<Neighbours, 'tenants' | 'sharers'>,
): Promise<Isolation> {
  const others = tenants.map(({ record }) => record.route.database)
  const powers = await session.row(
    Powers,
    `select ${POWERS},
       array(select d.datname::text from pg_catalog.pg_database d
              where d.datname in (${namesAsSql(others)}) and d.datname <> pg_catalog.current_database()
                and ${GETS_IN} order by 1) as reached
       from pg_catalog.pg_roles r where r.rolname = session_user`,
  )
  const users = tenants.filter(({ record }) => record.route.role === powers.role).map(({ id }) => id)
  const sharing = sharers.map(({ id }) => id)
  return isolationOf({ ...powers, reachedCount: powers.reached.length }, users, sharing)
}

/** What a role may do beside using its own database. */
export interface RolePowers {
  readonly role: string
  readonly attributes: string
  readonly memberships: readonly string[]
  readonly owned: readonly string[]
  /** Databases of other tenants that it may connect to: the first few, and how many there are. */
  readonly reached: readonly string[]
  readonly reachedCount: number
}

/** @param users other tenants that have the role. @param sharers other tenants that live in its database. */
export function isolationOf(
  powers: RolePowers,
  users: readonly string[],
  sharers: readonly string[],
): Isolation {
  const { role, attributes, memberships, owned, reached, reachedCount } = powers
  const findings = [
    attributes ? `role ${role} has ${attributes}` : '',
    memberships.length > 0 ? `role ${role} is a member of ${some(memberships)}` : '',
    owned.length > 0 ? `role ${role} owns database ${some(owned)}` : '',
    reachedCount > 0 ? `role ${role} may connect to ${some(reached, reachedCount)}, of other tenants` : '',
    users.length > 0 ? `role ${role} is used by ${some(users)} too` : '',
    sharers.length > 0 ? `shares its database with ${some(sharers)}` : '',
  ].filter(Boolean)
  return { isolated: findings.length === 0, findings, checkedAt: now() }
}

/** Which of these tenants' roles may enter the database of this session: from now on they are not isolated. */
export async function rolesLetIn(
  session: Session,
  tenants: readonly Entry<'tenant'>[],
): Promise<Set<string>> {
  const roles = tenants.map(({ record }) => record.route.role)
  const rows = await session.rows(
    z.object({ name: z.string() }),
    `select r.rolname::text as name from pg_catalog.pg_roles r
      where r.rolname in (${namesAsSql(roles)})
        and (r.rolname = session_user
          or pg_catalog.has_database_privilege(r.oid, pg_catalog.current_database(), 'CONNECT'))`,
  )
  return new Set(rows.map(({ name }) => name))
}

function some(names: readonly string[], count = names.length): string {
  return count <= 3 ? names.join(', ') : `${names.slice(0, 3).join(', ')} and ${count - 3} more`
}
