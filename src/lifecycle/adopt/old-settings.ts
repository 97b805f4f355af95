import { z } from 'zod'
import type { Session } from '../session.ts'
import { quoteName, quoteText } from '../sql-name.ts'

/** A setting of a role as it logs in to the database. */
export const OldSetting = z.object({
  name: z.string(),
  value: z.string(),
  /** Only a superuser gives it to a role. */
  isSuperusers: z.boolean(),
})
export type OldSetting = z.output<typeof OldSetting>

/** Settings whose value is a list of names: as one text it would be one name. */
const LISTS: ReadonlySet<string> = new Set([
  'search_path',
  'temp_tablespaces',
  'local_preload_libraries',
  'session_preload_libraries',
])

/**
 * What a role has set for itself, in the session's database or everywhere. `"$user"` in a search path stands for the
 * role, so where there is a schema of its name, the path names that.
 */
export async function settingsOf(session: Session, role: string): Promise<OldSetting[]> {
  const who = quoteText(role)
  const settings = await session.rows(
    OldSetting,
    `select distinct on (x.name) x.name, x.value, coalesce(p.context in ('superuser', 'superuser-backend'), false) as "isSuperusers"
       from pg_catalog.pg_db_role_setting s, pg_catalog.unnest(s.setconfig) c,
            lateral (select pg_catalog.split_part(c, '=', 1) as name,
                            pg_catalog.substr(c, pg_catalog.strpos(c, '=') + 1) as value) x
       left join pg_catalog.pg_settings p on p.name = x.name
      where s.setrole = (select r.oid from pg_catalog.pg_roles r where r.rolname = ${who})
        and s.setdatabase in (0, (select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database()))
      order by x.name, s.setdatabase desc`,
  )
  const path = await searchPathOf(session, who)
  const others = settings.filter(({ name }) => name !== 'search_path')
  return path === null ? others : [...others, { name: 'search_path', value: path, isSuperusers: false }]
}

/** Null where the role has none of its own and needs none. */
async function searchPathOf(session: Session, who: string): Promise<string | null> {
  const { path, isOwn, hasSchema, quoted } = await session.row(
    z.object({ path: z.string(), isOwn: z.boolean(), hasSchema: z.boolean(), quoted: z.string() }),
    `select coalesce(x.path, '"$user", public') as path, coalesce(x."isOwn", false) as "isOwn",
            exists (select from pg_catalog.pg_namespace n where n.nspname = ${who}) as "hasSchema",
            pg_catalog.quote_ident(${who}) as quoted
       from (select 1) one left join (
         select pg_catalog.substr(c, pg_catalog.strpos(c, '=') + 1) as path, s.setrole <> 0 as "isOwn"
           from pg_catalog.pg_db_role_setting s, pg_catalog.unnest(s.setconfig) c
          where c like 'search\\_path=%'
            and s.setrole in (0, (select r.oid from pg_catalog.pg_roles r where r.rolname = ${who}))
            and s.setdatabase in (0, (select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database()))
          order by s.setrole <> 0 desc, s.setdatabase desc limit 1) x on true`,
  )
  if (!isOwn && !hasSchema) return null
  return hasSchema ? path.replaceAll('"$user"', quoted) : path
}

/** As a role would have them that logs in to the database. */
export function settingStatements(settings: readonly OldSetting[], role: string, database: string): string[] {
  return settings
    .filter(({ isSuperusers }) => !isSuperusers)
    .map(
      ({ name, value }) =>
        `alter role ${quoteName(role)} in database ${quoteName(database)} set ${nameOf(name)} to ${valueOf(name, value)}`,
    )
}

/** Of an extension it has two parts. */
function nameOf(setting: string): string {
  return setting.split('.').map(quoteName).join('.')
}

function valueOf(name: string, value: string): string {
  if (!LISTS.has(name)) return quoteText(value)
  const names = [...value.matchAll(/"((?:[^"]|"")*)"|([^\s,"]+)/g)].map(
    ([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain ?? '',
  )
  return names.length === 0 ? quoteText('') : names.map(quoteText).join(', ')
}
