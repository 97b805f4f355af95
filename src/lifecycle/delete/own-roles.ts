import { z } from 'zod'
import type { TenantRecord } from '../../tenant/tenant-record.ts'
import type { Session } from '../session.ts'
import { quoteName, quoteText } from '../sql-name.ts'
import { slotsOf } from '../tenant/login-slots.ts'

/** As `chooseNames` makes them. */
const OUR_NAME = /^t_[a-z2-7]{26}$/

/** Whether we chose the name, at random: nobody else has anything that is called so, or begins so. */
export function isNamedByUs(name: string): boolean {
  return OUR_NAME.test(name)
}

export interface OwnRole {
  readonly name: string
  readonly login: boolean
}

/** The roles of a provisioned tenant that its server has: those on record, and all that are named as they are. */
export function ownRoles(admin: Session, { route }: Pick<TenantRecord, 'route'>): Promise<OwnRole[]> {
  const onRecord = [...slotsOf(route), ...(route.readOnly === null ? [] : [route.readOnly.role])]
  // An adopted tenant's database has a name that somebody else chose, its roles have not.
  const stem = route.role.replace(/_[ab]$/, '')
  const named = isNamedByUs(stem)
    ? `pg_catalog.starts_with(r.rolname::pg_catalog.text, ${quoteText(`${stem}_`)})`
    : 'false'
  return admin.rows(
    z.object({ name: z.string(), login: z.boolean() }),
    `select r.rolname::pg_catalog.text as name, r.rolcanlogin as login from pg_catalog.pg_roles r
      where r.rolname in (${onRecord.map(quoteText).join(', ')}) or ${named} order by 1`,
  )
}

/** Runs `work` as a role of ours, of which the admin becomes a member where a run that broke off left it out. */
export async function become<T>(admin: Session, role: string, work: () => Promise<T>): Promise<T> {
  const { version, may } = await admin.row(
    z.object({ version: z.int(), may: z.boolean() }),
    `select v.version, pg_catalog.pg_has_role(r.oid, case when v.version >= 160000 then 'SET' else 'MEMBER' end) as may
       from pg_catalog.pg_roles r,
            (select pg_catalog.current_setting('server_version_num')::pg_catalog.int4 as version) v
      where r.rolname = ${quoteText(role)}`,
  )
  const options = version >= 160_000 ? ' with inherit false, set true' : ''
  if (!may) await admin.execute(`grant ${quoteName(role)} to current_user${options}`)
  return admin.asRole(role, work)
}
