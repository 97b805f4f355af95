import { z } from 'zod'
import type { Session } from '../session.ts'
import { quoteText } from '../sql-name.ts'

/** Objects of one owner on which a role has the same rights. */
export const Right = z.object({
  kind: z.enum(['database', 'schema', 'table', 'sequence', 'routine', 'type']),
  owner: z.string(),
  /** As GRANT names them; rights on single columns with the column. */
  privileges: z.array(z.string()),
  /** As SQL. */
  objects: z.array(z.string()),
})
export type Right = z.output<typeof Right>

/** As GRANT names every role of the server. */
export const PUBLIC = 'public'
/** In one statement. */
const OBJECTS_AT_ONCE = 200

/** Schemas that are somebody's; `n` is a row of pg_namespace. Ours is none of them. */
export const USERS_SCHEMA = `n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'tenantry')`

/**
 * What a role may do, by whatever way, and at least one of `others` may not: with the data and schemas of the session's
 * database, and with the database itself but for CONNECT. What is not granted but comes with being an owner (ALTER,
 * DROP, policies) is not a right.
 */
export function missingRights(session: Session, role: string, others: readonly string[]): Promise<Right[]> {
  const who = `${quoteText(role)}::pg_catalog.name`
  const lacks = (check: string) =>
    `exists (select from pg_catalog.unnest(array[${others.map(quoteText).join(', ')}]::pg_catalog.name[]) o(name) where not ${check})`
  /** One branch: `check` with `%` for whose right it is. */
  const may = (check: string) => `${check.replace('%', () => who)} and ${lacks(check.replace('%', 'o.name'))}`
  return session.rows(
    Right,
    `with found(kind, owner, object, privilege) as (
       select 'database', d.datdba, pg_catalog.quote_ident(d.datname), p
         from pg_catalog.pg_database d, pg_catalog.unnest(array['CREATE', 'TEMPORARY']) p
        where d.datname = pg_catalog.current_database() and ${may('pg_catalog.has_database_privilege(%, d.oid, p)')}
       union all
       select 'schema', n.nspowner, pg_catalog.quote_ident(n.nspname), p
         from pg_catalog.pg_namespace n, pg_catalog.unnest(array['USAGE', 'CREATE']) p
        where ${USERS_SCHEMA} and ${may('pg_catalog.has_schema_privilege(%, n.oid, p)')}
       union all
       select 'table', c.relowner, pg_catalog.format('%I.%I', n.nspname, c.relname), p
         from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace,
              pg_catalog.unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']
                || case when pg_catalog.current_setting('server_version_num')::int >= 170000
                     then array['MAINTAIN'] else array[]::text[] end) p
        where c.relkind in ('r', 'p', 'v', 'm', 'f') and ${USERS_SCHEMA}
          and ${may('pg_catalog.has_table_privilege(%, c.oid, p)')}
       union all
       select 'table', c.relowner, pg_catalog.format('%I.%I', n.nspname, c.relname),
              pg_catalog.format('%s (%I)', p, a.attname)
         from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid
              join pg_catalog.pg_namespace n on n.oid = c.relnamespace,
              pg_catalog.unnest(array['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']) p
        where a.attacl is not null and not a.attisdropped and a.attnum > 0 and ${USERS_SCHEMA}
          and not pg_catalog.has_table_privilege(${who}, c.oid, p)
          and ${may('pg_catalog.has_column_privilege(%, c.oid, a.attnum, p)')}
       union all
       select 'sequence', c.relowner, pg_catalog.format('%I.%I', n.nspname, c.relname), p
         from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace,
              pg_catalog.unnest(array['USAGE', 'SELECT', 'UPDATE']) p
        where c.relkind = 'S' and ${USERS_SCHEMA} and ${may('pg_catalog.has_sequence_privilege(%, c.oid, p)')}
       union all
       -- Without an access list of its own a routine is everybody's, and so is a type.
       select 'routine', r.proowner, r.oid::pg_catalog.regprocedure::text, 'EXECUTE'
         from pg_catalog.pg_proc r join pg_catalog.pg_namespace n on n.oid = r.pronamespace
        where r.proacl is not null and ${USERS_SCHEMA}
          and ${may(`pg_catalog.has_function_privilege(%, r.oid, 'EXECUTE')`)}
       union all
       select 'type', t.typowner, t.oid::pg_catalog.regtype::text, 'USAGE'
         from pg_catalog.pg_type t join pg_catalog.pg_namespace n on n.oid = t.typnamespace
        where t.typacl is not null and ${USERS_SCHEMA} and ${may(`pg_catalog.has_type_privilege(%, t.oid, 'USAGE')`)}
     ), objects as (
       select kind, owner, object, pg_catalog.array_agg(privilege order by privilege collate "C") as privileges
         from found group by kind, owner, object
     )
     select kind, pg_catalog.pg_get_userbyid(owner)::text as owner, privileges,
            pg_catalog.array_agg(object order by object collate "C") as objects
       from objects group by kind, owner, privileges order by kind collate "C", 2, 3`,
  )
}

/** @param grantees as SQL. */
export function grantStatements(rights: readonly Right[], grantees: string): string[] {
  return rights.flatMap(({ kind, privileges, objects }) => {
    const statements: string[] = []
    for (let at = 0; at < objects.length; at += OBJECTS_AT_ONCE) {
      const some = objects.slice(at, at + OBJECTS_AT_ONCE).join(', ')
      statements.push(`grant ${privileges.join(', ')} on ${kind} ${some} to ${grantees}`)
    }
    return statements
  })
}
