import { z } from 'zod'
import type { Session } from '../session.ts'
import { quoteName, quoteText } from '../sql-name.ts'

/** A right on one thing, or on whatever the owner will make. */
const Right = z.object({
  role: z.string(),
  /** What stands before GRANT and REVOKE: empty, or ALTER DEFAULT PRIVILEGES …. */
  lead: z.string(),
  /** What stands after ON. */
  target: z.string(),
  right: z.string(),
  /** As in pg_class and pg_default_acl: r, S, f or n. */
  kind: z.string(),
})
type Right = z.output<typeof Right>

/** What reads and cannot write; a function could do anything. */
const READS: Readonly<Record<string, string>> = { r: 'SELECT', S: 'SELECT', n: 'USAGE' }

/**
 * Gives the group what the tenant's login slot may in its database, now and of what the owner makes later, or the reading
 * part of that; and takes from it what the slot has no more. As the owner, in the database.
 */
export async function alignRights(
  inside: Session,
  { slot, group, readOnly }: { readonly slot: string; readonly group: string; readonly readOnly: boolean },
): Promise<void> {
  await inside.transaction(async () => {
    const found = await inside.rows(Right, rightsSql(slot, group))
    const wanted = keyed(
      found.filter(({ role, kind, right }) => role === slot && (!readOnly || READS[kind] === right)),
    )
    const present = keyed(found.filter(({ role }) => role === group))
    const name = quoteName(group)
    for (const [key, { lead, target, right }] of present) {
      if (!wanted.has(key)) await inside.execute(`${lead}revoke ${right} on ${target} from ${name}`)
    }
    for (const [key, { lead, target, right }] of wanted) {
      if (!present.has(key)) await inside.execute(`${lead}grant ${right} on ${target} to ${name}`)
    }
  })
}

function keyed(rights: readonly Right[]): Map<string, Right> {
  return new Map(rights.map((right) => [`${right.lead} ${right.right} ${right.target}`, right]))
}

/** Of what is its owner's to grant: the current role's, and the schema `public`. */
function rightsSql(slot: string, group: string): string {
  const roles = [slot, group].map((role) => quoteText(role)).join(', ')
  return `
    select g.rolname::pg_catalog.text as role, x.lead, x.target, a.privilege_type as "right", x.kind
      from (
        select '' as lead, 'schema ' || pg_catalog.quote_ident(n.nspname) as target, 'n' as kind, n.nspacl as acl
          from pg_catalog.pg_namespace n
         where pg_catalog.pg_get_userbyid(n.nspowner) in (current_user, 'pg_database_owner')
        union all
        select '', case c.relkind when 'S' then 'sequence ' else 'table ' end
               || c.oid::pg_catalog.regclass::pg_catalog.text,
               case c.relkind when 'S' then 'S' else 'r' end, c.relacl
          from pg_catalog.pg_class c
         where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and pg_catalog.pg_get_userbyid(c.relowner) = current_user
        union all
        select '', 'routine ' || p.oid::pg_catalog.regprocedure::pg_catalog.text, 'f', p.proacl
          from pg_catalog.pg_proc p where pg_catalog.pg_get_userbyid(p.proowner) = current_user
        union all
        select 'alter default privileges '
               || coalesce('in schema ' || pg_catalog.quote_ident(n.nspname) || ' ', ''),
               case d.defaclobjtype when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'routines'
                 else 'schemas' end,
               d.defaclobjtype::pg_catalog.text, d.defaclacl
          from pg_catalog.pg_default_acl d left join pg_catalog.pg_namespace n on n.oid = d.defaclnamespace
         where d.defaclobjtype in ('r', 'S', 'f', 'n') and pg_catalog.pg_get_userbyid(d.defaclrole) = current_user
      ) x, lateral pg_catalog.aclexplode(x.acl) a join pg_catalog.pg_roles g on g.oid = a.grantee
     where g.rolname in (${roles})`
}
