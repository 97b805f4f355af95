import { z } from 'zod'
import type { Session } from '../session.ts'
import { quoteName, quoteText } from '../sql-name.ts'
import { USERS_SCHEMA } from './rights.ts'

/** As ALTER DEFAULT PRIVILEGES names them, by how pg_default_acl does. */
const OBJECTS = { r: 'tables', S: 'sequences', f: 'functions', T: 'types', n: 'schemas' } as const

/** What a role gets on whatever another one makes from now on. */
export const DefaultRight = z.object({
  creator: z.string(),
  /** Null: in every schema. */
  schema: z.string().nullable(),
  objects: z.enum(['r', 'S', 'f', 'T', 'n']),
  privileges: z.array(z.string()),
})
export type DefaultRight = z.output<typeof DefaultRight>

/**
 * Roles whose objects a role has as its own: itself and those it is a member of, where they make or have made anything
 * in the session's database.
 */
export async function creatorsFor(session: Session, role: string): Promise<string[]> {
  const rows = await session.rows(
    z.object({ name: z.string() }),
    `select c.rolname::text as name from pg_catalog.pg_roles c
      where c.rolname !~ '^pg_' and pg_catalog.pg_has_role(${quoteText(role)}, c.oid, 'USAGE') and (
        exists (select from pg_catalog.pg_class t join pg_catalog.pg_namespace n on n.oid = t.relnamespace
                 where t.relowner = c.oid and ${USERS_SCHEMA})
        or exists (select from pg_catalog.pg_namespace n
                    where ${USERS_SCHEMA} and pg_catalog.has_schema_privilege(c.oid, n.oid, 'CREATE'))
        or pg_catalog.has_database_privilege(c.oid, pg_catalog.current_database(), 'CREATE'))
      order by 1`,
  )
  return rows.map(({ name }) => name)
}

/** What the database's default privileges give a role, on objects that are not its own. */
export function defaultRightsOf(session: Session, role: string): Promise<DefaultRight[]> {
  const who = quoteText(role)
  return session.rows(
    DefaultRight,
    `select pg_catalog.pg_get_userbyid(d.defaclrole)::text as creator, n.nspname::text as schema,
            d.defaclobjtype::text as objects,
            pg_catalog.array_agg(distinct a.privilege_type::text) as privileges
       from pg_catalog.pg_default_acl d left join pg_catalog.pg_namespace n on n.oid = d.defaclnamespace,
            pg_catalog.aclexplode(d.defaclacl) a
      where d.defaclobjtype in ('r', 'S', 'f', 'T', 'n') and a.grantee <> 0
        and pg_catalog.pg_has_role(${who}, a.grantee, 'USAGE')
        and not pg_catalog.pg_has_role(${who}, d.defaclrole, 'USAGE')
      group by 1, 2, 3 order by 1, 2, 3`,
  )
}

/** @param grantees as SQL. */
export function defaultStatements(rights: readonly DefaultRight[], grantees: string): string[] {
  return rights.map(({ creator, schema, objects, privileges }) => {
    const place = schema === null ? '' : ` in schema ${quoteName(schema)}`
    const what = `grant ${privileges.join(', ')} on ${OBJECTS[objects]} to ${grantees}`
    return `alter default privileges for role ${quoteName(creator)}${place} ${what}`
  })
}

/** Everything that a creator makes from now on, for the grantees to use as if it were theirs. */
export function wholeStatements(creator: string, grantees: string): string[] {
  return Object.values(OBJECTS).map(
    (objects) =>
      `alter default privileges for role ${quoteName(creator)} grant all on ${objects} to ${grantees}`,
  )
}
