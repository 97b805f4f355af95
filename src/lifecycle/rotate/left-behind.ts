import { z } from 'zod'
import type { Session } from '../session.ts'
import { quoteText } from '../sql-name.ts'

const Left = z.object({ objects: z.int(), settings: z.array(z.string()) })

/**
 * What stays with the old login, since no right stands for it: large objects that it owns, and what somebody has set for
 * it alone.
 * @param session in the tenant's database.
 * @returns in words; null where there is nothing.
 */
export async function leftBehind(session: Session, from: string, to: string): Promise<string | null> {
  const { objects, settings } = await session.row(Left, leftSql(from, to))
  const large =
    objects === 0
      ? []
      : [
          `${objects} large objects stay those of ${from}, and ${to} may not read them: grant it that on each.`,
        ]
  const own =
    settings.length === 0
      ? []
      : [`What is set for ${from} is not for ${to}: ${settings.join(', ')}. Set it for the database.`]
  const all = [...large, ...own]
  return all.length === 0 ? null : all.join(' ')
}

function leftSql(from: string, to: string): string {
  const settingsOf = (role: string) => `
    select s.setdatabase, c.setting from pg_catalog.pg_db_role_setting s, pg_catalog.unnest(s.setconfig) c (setting)
     where s.setrole = ${role}
       and s.setdatabase in (0, (select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database()))`
  return `
    select
      (select pg_catalog.count(*)::pg_catalog.int4 from pg_catalog.pg_largeobject_metadata l
        where l.lomowner = old.oid
          and not exists (select from pg_catalog.aclexplode(l.lomacl) a
                           where a.privilege_type = 'SELECT' and a.grantee in (0, fresh.oid))) as objects,
      array(select distinct pg_catalog.split_part(x.setting, '=', 1)
              from (${settingsOf('old.oid')} except ${settingsOf('fresh.oid')}) x order by 1) as settings
    from pg_catalog.pg_roles old, pg_catalog.pg_roles fresh
    where old.rolname = ${quoteText(from)} and fresh.rolname = ${quoteText(to)}`
}
