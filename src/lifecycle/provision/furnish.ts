import { z } from 'zod'
import { InternalError } from '../../errors.ts'
import type { Session } from '../session.ts'
import { quoteName, quoteText } from '../sql-name.ts'
import type { Making, MakingPlan } from './making.ts'

/** What the stamp in a database says. */
export interface Stamping {
  /** No tenant's id in a spare. */
  readonly tenant: string
  readonly generation: number
  readonly state: 'live' | 'spare'
}

/**
 * The stamp that says whose database this is, and the rights that the slots will have on whatever the owner
 * makes: rows, not tables. In one transaction, so that it is all there or not begun.
 */
export async function furnish(making: Making, stamping: Stamping): Promise<void> {
  const { plan } = making
  const inside = await making.adminInside()
  const both = `${quoteName(plan.slots.a)}, ${quoteName(plan.slots.b)}`
  await inside.asRole(plan.owner, async () => {
    // One text is one transaction.
    await inside.script([...stampStatements(stamping, plan, both), ...defaultRights(both)].join(';'))
    await readBackRights(inside, [plan.slots.a, plan.slots.b])
  })
}

export function stampStatements(
  { tenant, generation, state }: Stamping,
  plan: MakingPlan,
  both: string,
): string[] {
  const values = [quoteText(tenant), generation, quoteText(plan.incarnation), quoteText(state)].join(', ')
  return [
    'create schema if not exists tenantry',
    `create table if not exists tenantry.stamp (
       tenant_id text not null,
       generation bigint not null,
       incarnation uuid not null,
       state text not null check (state in ('live', 'moved', 'spare')))`,
    'create unique index if not exists stamp_is_one_row on tenantry.stamp ((true))',
    `insert into tenantry.stamp select ${values} where not exists (select from tenantry.stamp)`,
    // Default rights of an earlier run must not make it writable.
    `revoke all on tenantry.stamp from ${both}`,
    `grant usage on schema tenantry to ${both}`,
    `grant select on tenantry.stamp to ${both}`,
  ]
}

function defaultRights(both: string): string[] {
  return [
    `grant usage on schema public to ${both}`,
    `alter default privileges grant usage on schemas to ${both}`,
    `alter default privileges grant select, insert, update, delete on tables to ${both}`,
    `alter default privileges grant usage, select, update on sequences to ${both}`,
    `alter default privileges grant execute on functions to ${both}`,
  ]
}

const Rights = z.object({
  slot: z.string(),
  connect: z.boolean(),
  stamp: z.boolean(),
  defaults: z.string(),
  tooMuch: z.string(),
})

/** Of tables, sequences, functions and schemas, as pg_default_acl writes them. */
const MEANT_DEFAULTS = 'S:SELECT,UPDATE,USAGE f:EXECUTE n:USAGE r:DELETE,INSERT,SELECT,UPDATE'

async function readBackRights(inside: Session, slots: readonly string[]): Promise<void> {
  const found = await inside.rows(
    Rights,
    `select r.rolname::text as slot,
       pg_catalog.has_database_privilege(r.oid, pg_catalog.current_database(), 'CONNECT') as connect,
       pg_catalog.has_table_privilege(r.oid, 'tenantry.stamp', 'SELECT') as stamp,
       coalesce((select pg_catalog.string_agg(kind || ':' || rights, ' ' order by kind collate "C") from (
         select d.defaclobjtype::text as kind,
                pg_catalog.string_agg(a.privilege_type, ',' order by a.privilege_type collate "C") as rights
           from pg_catalog.pg_default_acl d, pg_catalog.aclexplode(d.defaclacl) a
          where a.grantee = r.oid group by 1) x), '') as defaults,
       pg_catalog.concat_ws(',',
         case when pg_catalog.has_database_privilege(r.oid, pg_catalog.current_database(), 'CREATE,TEMPORARY')
           then 'database' end,
         case when pg_catalog.has_schema_privilege(r.oid, 'public', 'CREATE') then 'public' end,
         case when pg_catalog.has_schema_privilege(r.oid, 'tenantry', 'CREATE') then 'tenantry' end,
         case when pg_catalog.has_table_privilege(r.oid, 'tenantry.stamp', 'INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER')
           then 'stamp' end) as "tooMuch"
       from pg_catalog.pg_roles r where r.rolname in (${slots.map(quoteText).join(', ')})`,
  )
  const isMeant = found.every(
    ({ connect, stamp, defaults, tooMuch }) =>
      connect && stamp && defaults === MEANT_DEFAULTS && tooMuch === '',
  )
  if (found.length === slots.length && isMeant) return
  throw new InternalError(`rights of the slots are not as they were granted: ${JSON.stringify(found)}`)
}
