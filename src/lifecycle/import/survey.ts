import { z } from 'zod'
import type { Session } from '../session.ts'
import { namesAsSql } from '../sql-name.ts'
import { GETS_IN, POWERS, Powers, type RolePowers } from '../tenant/isolation.ts'

const Surveyed = Powers.extend({
  reachedCount: z.int(),
  connectionLimit: z.int().transform((limit) => (limit < 0 ? undefined : limit)),
})

export interface SurveyedPowers extends RolePowers {
  /** Undefined where it has none. */
  readonly connectionLimit: number | undefined
}

/**
 * What these roles may do on the server of the session, in one statement for all of them: what `checkIsolation` asks of one.
 * @param databases of tenants; those that a role reaches are told, its own among them.
 */
export async function powersOf(
  session: Session,
  roles: readonly string[],
  databases: readonly string[],
): Promise<ReadonlyMap<string, SurveyedPowers>> {
  const rows = await session.rows(
    Surveyed,
    `select ${POWERS},
       coalesce(reach.names, '{}') as reached,
       reach.count as "reachedCount", r.rolconnlimit as "connectionLimit"
       from pg_catalog.pg_roles r
       cross join lateral (
         select (pg_catalog.array_agg(d.datname::text order by d.datname::text))[1:4] as names, pg_catalog.count(*)::int as count
           from pg_catalog.pg_database d
          where d.datname in (${namesAsSql(databases)})
            and ${GETS_IN}) reach
      where r.rolname in (${namesAsSql(roles)})`,
  )
  return new Map(rows.map((powers) => [powers.role, powers]))
}

/** As `checkIsolation` tells it: the database of its own that it logged in to is left out. */
export function beyondOwn(powers: RolePowers, database: string): RolePowers {
  const reached = powers.reached.filter((name) => name !== database)
  return { ...powers, reached, reachedCount: Math.max(0, powers.reachedCount - 1) }
}

/** For each of the roles that may enter one of the databases, one that it may enter. */
export async function doorsFor(
  session: Session,
  roles: readonly string[],
  databases: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  if (roles.length === 0) return new Map()
  const rows = await session.rows(
    z.object({ role: z.string(), database: z.string() }),
    `select r.rolname::text as role, pg_catalog.min(d.datname::text) as database
       from pg_catalog.pg_roles r, pg_catalog.pg_database d
      where r.rolname in (${namesAsSql(roles)}) and d.datname in (${namesAsSql(databases)})
        and pg_catalog.has_database_privilege(r.oid, d.oid, 'CONNECT')
      group by 1`,
  )
  return new Map(rows.map(({ role, database }) => [role, database]))
}
