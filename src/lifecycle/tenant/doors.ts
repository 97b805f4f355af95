import { z } from 'zod'
import type { Session } from '../session.ts'
import { namesAsSql } from '../sql-name.ts'

/** Of the database `d`. */
export const IS_NAMED_BY_US = `d.datname operator(pg_catalog.~) '^t_[a-z2-7]{26}$'`

/** Who may go where on the cluster of a session. */
const Doors = z.object({
  /** The roles asked for, and with `inward` those that may enter one of the databases asked for. */
  roles: z.array(z.string()),
  /** The databases asked for, and those that one of the roles asked for may enter. */
  databases: z.array(z.string()),
  /** All that are named as we name what we make. */
  provisioned: z.array(z.string()),
})
export type Doors = z.output<typeof Doors>

export interface DoorsWanted {
  /** As the server calls them. Default: the one that the session was opened as. */
  readonly roles?: readonly string[] | undefined
  readonly databases: readonly string[]
  readonly inward: boolean
}

export function readDoors(session: Session, { roles, databases, inward }: DoorsWanted): Promise<Doors> {
  const isAsked = roles === undefined ? 'r.rolname = session_user' : `r.rolname in (${namesAsSql(roles)})`
  const own = `d.datname in (${namesAsSql(databases)})`
  const mayEnter = `pg_catalog.has_database_privilege(r.oid, d.oid, 'CONNECT')`
  const entering = `exists (select from pg_catalog.pg_database d where ${own} and ${mayEnter})`
  return session.row(
    Doors,
    `select
       array(select r.rolname::text from pg_catalog.pg_roles r
              where ${isAsked}${inward ? ` or ${entering}` : ''}) as roles,
       array(select d.datname::text from pg_catalog.pg_database d
              where ${own} or exists (select from pg_catalog.pg_roles r where ${isAsked} and ${mayEnter})) as databases,
       array(select d.datname::text from pg_catalog.pg_database d
              where ${IS_NAMED_BY_US}) as provisioned`,
  )
}
