import { z } from 'zod'
import { PreconditionFailedError } from '../../errors.ts'
import type { Session } from '../session.ts'
import { quoteText } from '../sql-name.ts'

const SHOWN = 3

const Difference = z.object({ what: z.string() })

/**
 * In the tenant's database: whatever the old login may, the new one may, so that no query fails of the change; and on
 * the server it may no more.
 * @throws {PreconditionFailedError} that names what differs.
 */
export async function refuseOtherRights(session: Session, from: string, to: string): Promise<void> {
  const lacking = await session.rows(Difference, lackingSql(from, to))
  if (lacking.length > 0)
    throw new PreconditionFailedError(
      `Login role ${to} may not do all that ${from} may: ${some(lacking)}. Grant it the same.`,
    )
  const beyond = await session.rows(Difference, beyondSql(from, to))
  if (beyond.length > 0)
    throw new PreconditionFailedError(
      `Login role ${to} has more than ${from}: ${some(beyond)}. Take that from it.`,
    )
}

function some(differences: readonly z.output<typeof Difference>[]): string {
  const shown = differences.slice(0, SHOWN).map(({ what }) => what)
  const rest = differences.length - shown.length
  return rest === 0 ? shown.join(', ') : `${shown.join(', ')} and ${rest} more`
}

/** Of what is in the database and stays there; what every role may is nobody's to lack. */
function lackingSql(from: string, to: string): string {
  const [one, other] = [quoteText(from), quoteText(to)]
  const lacks = (kind: string, oid: string, right: string) =>
    `pg_catalog.has_${kind}_privilege(${one}, ${oid}, ${right}) and not pg_catalog.has_${kind}_privilege(${other}, ${oid}, ${right})`
  return `
    select x.rights || ' on ' || x.what as what from (
      select n.oid::pg_catalog.regnamespace::pg_catalog.text as what, r.rights
        from pg_catalog.pg_namespace n, (values ('USAGE'), ('CREATE')) r (rights)
       where ${lacks('schema', 'n.oid', 'r.rights')}
      union all
      select c.oid::pg_catalog.regclass::pg_catalog.text, r.rights
        from pg_catalog.pg_class c, (values ('SELECT'), ('INSERT'), ('UPDATE'), ('DELETE'), ('TRUNCATE')) r (rights)
       where c.relkind in ('r', 'p', 'v', 'm', 'f') and c.relpersistence <> 't' and ${lacks('table', 'c.oid', 'r.rights')}
      union all
      select c.oid::pg_catalog.regclass::pg_catalog.text, r.rights
        from pg_catalog.pg_class c, (values ('SELECT'), ('UPDATE'), ('USAGE')) r (rights)
       where case when c.relkind = 'S' and c.relpersistence <> 't' then ${lacks('sequence', 'c.oid', 'r.rights')} end
      union all
      select p.oid::pg_catalog.regprocedure::pg_catalog.text, 'EXECUTE'
        from pg_catalog.pg_proc p where ${lacks('function', 'p.oid', `'EXECUTE'`)}
    ) x order by 1`
}

/** What lets a role out of its own database. */
function beyondSql(from: string, to: string): string {
  const attributes = ['super', 'createrole', 'createdb', 'replication', 'bypassrls']
  const rows = attributes.map((name) => `('${name.toUpperCase()}', fresh.rol${name}, old.rol${name})`)
  return `
    select x.what from pg_catalog.pg_roles fresh, pg_catalog.pg_roles old, lateral (
      select a.name as what from (values ${rows.join(', ')}) a (name, fresh, old) where a.fresh and not a.old
      union all
      select 'membership in ' || m.roleid::pg_catalog.regrole::pg_catalog.text from pg_catalog.pg_auth_members m
       where m.member = fresh.oid
         and not exists (select from pg_catalog.pg_auth_members o where o.member = old.oid and o.roleid = m.roleid)
      union all
      select 'CONNECT on ' || d.datname::pg_catalog.text from pg_catalog.pg_database d
       where pg_catalog.has_database_privilege(fresh.oid, d.oid, 'CONNECT')
         and not pg_catalog.has_database_privilege(old.oid, d.oid, 'CONNECT')
    ) x where fresh.rolname = ${quoteText(to)} and old.rolname = ${quoteText(from)} order by 1`
}
