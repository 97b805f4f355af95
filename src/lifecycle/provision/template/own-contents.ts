import { z } from 'zod'
import { InternalError } from '../../../errors.ts'
import type { Session } from '../../session.ts'
import { quoteName, quoteText } from '../../sql-name.ts'
import type { Making } from '../making.ts'

/**
 * Makes what was copied from a template the owner's, with the rights of the slots, as if the owner had made it there.
 * For that moment the owner is a member of the template's.
 */
export async function ownContents(making: Making): Promise<void> {
  const { template, owner, slots } = making.plan
  if (template === undefined) return
  const inside = await making.adminInside()
  const options = inside.majorVersion >= 16 ? ' with inherit true, set false' : ''
  const [from, to] = [quoteName(template.owner), quoteName(owner)]
  await inside.execute(`grant ${from} to ${to}${options}`)
  await inside.asRole(owner, async () => {
    await inside.execute(`reassign owned by ${from} to ${to}`)
    await grantRows(inside, [slots.a, slots.b])
  })
  await inside.execute(`revoke ${from} from ${to}`)
  await readBack(inside, template.owner, owner)
}

const Contents = z.object({
  schemas: z.array(z.string()),
  tables: z.array(z.string()),
  sequences: z.array(z.string()),
  routines: z.array(z.string()),
})

/** As the owner: what `furnish` gives on what is made later. Names come with their schema, as search_path is empty. */
async function grantRows(inside: Session, slots: readonly string[]): Promise<void> {
  const { schemas, tables, sequences, routines } = await inside.row(
    Contents,
    `select
       array(select pg_catalog.quote_ident(n.nspname) from pg_catalog.pg_namespace n where n.nspowner = o.oid) as schemas,
       array(select c.oid::pg_catalog.regclass::text from pg_catalog.pg_class c
              where c.relowner = o.oid and c.relkind in ('r', 'p', 'v', 'm', 'f')) as tables,
       array(select c.oid::pg_catalog.regclass::text from pg_catalog.pg_class c
              where c.relowner = o.oid and c.relkind = 'S') as sequences,
       array(select p.oid::pg_catalog.regprocedure::text from pg_catalog.pg_proc p
              where p.proowner = o.oid) as routines
       from pg_catalog.pg_roles o where o.rolname = current_user`,
  )
  const both = slots.map(quoteName).join(', ')
  const grant = async (rights: string, kind: string, names: readonly string[]) => {
    if (names.length > 0) await inside.execute(`grant ${rights} on ${kind} ${names.join(', ')} to ${both}`)
  }
  await grant('usage', 'schema', schemas)
  await grant('select, insert, update, delete', 'table', tables)
  await grant('usage, select, update', 'sequence', sequences)
  await grant('execute', 'routine', routines)
}

const Left = z.object({ objects: z.int(), memberships: z.int() })

async function readBack(inside: Session, from: string, to: string): Promise<void> {
  const left = await inside.row(
    Left,
    `select
       (select pg_catalog.count(*)::int from pg_catalog.pg_shdepend d join pg_catalog.pg_roles r on r.oid = d.refobjid
         where d.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass and r.rolname = ${quoteText(from)}
           and d.dbid = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())) as objects,
       (select pg_catalog.count(*)::int from pg_catalog.pg_auth_members m join pg_catalog.pg_roles r on r.oid = m.member
         where r.rolname = ${quoteText(to)}) as memberships`,
  )
  if (left.objects === 0 && left.memberships === 0) return
  throw new InternalError(`what was copied is not all of ${to}: ${JSON.stringify(left)}`)
}
