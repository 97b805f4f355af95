import { z } from 'zod'
import { InternalError } from '../../errors.ts'
import type { Session } from '../session.ts'
import { quoteText } from '../sql-name.ts'
import { type AccessList, readAccess } from './access-list.ts'
import { creatorsFor, type DefaultRight, defaultRightsOf } from './default-rights.ts'
import { type OldSetting, settingsOf } from './old-settings.ts'
import { missingRights, PUBLIC, type Right, USERS_SCHEMA } from './rights.ts'

const Role = z.object({
  name: z.string(),
  isSuperuser: z.boolean(),
  /** SUPERUSER, CREATEDB, CREATEROLE, REPLICATION, BYPASSRLS. */
  attributes: z.array(z.string()),
  memberOf: z.array(z.string()),
  ownsDatabases: z.array(z.string()),
})

const Owned = z.object({ owner: z.string(), kind: z.string(), count: z.int() })

/** Of what rights on data do not carry over. */
const Oddities = z.object({
  rowSecurity: z.array(z.string()),
  largeObjects: z.int(),
  userMappings: z.int(),
  hasTenantrySchema: z.boolean(),
})

export interface Inside {
  /** Major version. */
  readonly postgres: number
  readonly database: string
  readonly access: AccessList
  /** Undefined where there is no schema public. */
  readonly publicSchema: AccessList | undefined
  readonly role: z.output<typeof Role>
  readonly settings: readonly OldSetting[]
  /** Login roles that are no superusers and may connect. */
  readonly mayConnect: readonly string[]
  /** Those of them that may because everybody may. */
  readonly throughPublic: readonly string[]
  readonly extensions: readonly string[]
  readonly objects: readonly z.output<typeof Owned>[]
  /** What the role may, and not everybody. */
  readonly rights: readonly Right[]
  readonly creators: readonly string[]
  readonly defaults: readonly DefaultRight[]
  readonly oddities: z.output<typeof Oddities>
}

/** Everything that adoption goes by, from the catalogs. Any role may read it. @param role whose database it is. */
export async function lookInside(session: Session, role: string): Promise<Inside> {
  const { postgres, database } = await session.row(
    z.object({ postgres: z.int(), database: z.string() }),
    `select pg_catalog.current_setting('server_version_num')::int / 10000 as postgres,
            pg_catalog.current_database()::text as database`,
  )
  const access = await readAccess(session, { kind: 'database', name: database })
  if (access === undefined) throw new InternalError(`database ${database} is not in its own catalog`)
  return {
    postgres,
    database,
    access,
    publicSchema: await readAccess(session, { kind: 'schema', name: 'public' }),
    role: await roleOf(session, role),
    settings: await settingsOf(session, role),
    ...(await guestsOf(session)),
    extensions: await extensionsOf(session),
    objects: await objectsOf(session),
    rights: await missingRights(session, role, [PUBLIC]),
    creators: await creatorsFor(session, role),
    defaults: await defaultRightsOf(session, role),
    oddities: await odditiesOf(session, role),
  }
}

function roleOf(session: Session, role: string): Promise<z.output<typeof Role>> {
  return session.row(
    Role,
    `select r.rolname::text as name, r.rolsuper as "isSuperuser",
       pg_catalog.array_remove(array[
         case when r.rolsuper then 'SUPERUSER' end, case when r.rolcreatedb then 'CREATEDB' end,
         case when r.rolcreaterole then 'CREATEROLE' end, case when r.rolreplication then 'REPLICATION' end,
         case when r.rolbypassrls then 'BYPASSRLS' end], null) as attributes,
       array(select distinct pg_catalog.pg_get_userbyid(m.roleid)::text from pg_catalog.pg_auth_members m
              where m.member = r.oid order by 1) as "memberOf",
       array(select d.datname::text from pg_catalog.pg_database d where d.datdba = r.oid order by 1) as "ownsDatabases"
       from pg_catalog.pg_roles r where r.rolname = ${quoteText(role)}`,
  )
}

async function guestsOf(session: Session): Promise<Pick<Inside, 'mayConnect' | 'throughPublic'>> {
  const rows = await session.rows(
    z.object({ name: z.string(), isNamed: z.boolean() }),
    `select r.rolname::text as name,
            pg_catalog.pg_has_role(r.oid, d.datdba, 'USAGE') or exists (
              select from pg_catalog.aclexplode(d.datacl) a
               where a.privilege_type = 'CONNECT' and a.grantee <> 0
                 and pg_catalog.pg_has_role(r.oid, a.grantee, 'USAGE')) as "isNamed"
       from pg_catalog.pg_roles r, pg_catalog.pg_database d
      where d.datname = pg_catalog.current_database() and r.rolcanlogin and not r.rolsuper
        and pg_catalog.has_database_privilege(r.oid, d.oid, 'CONNECT')
      order by 1`,
  )
  const names = (of: typeof rows) => of.map(({ name }) => name)
  return { mayConnect: names(rows), throughPublic: names(rows.filter(({ isNamed }) => !isNamed)) }
}

async function extensionsOf(session: Session): Promise<string[]> {
  const rows = await session.rows(
    z.object({ name: z.string() }),
    `select e.extname || ' ' || e.extversion as name from pg_catalog.pg_extension e order by 1`,
  )
  return rows.map(({ name }) => name)
}

function objectsOf(session: Session): Promise<z.output<typeof Owned>[]> {
  return session.rows(
    Owned,
    `select pg_catalog.pg_get_userbyid(x.owner)::text as owner, x.kind, pg_catalog.count(*)::int as count from (
       select n.nspowner as owner, 'schema' as kind from pg_catalog.pg_namespace n where ${USERS_SCHEMA}
       union all
       select c.relowner, case c.relkind when 'S' then 'sequence' when 'v' then 'view' when 'm' then 'view' else 'table' end
         from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and ${USERS_SCHEMA}
       union all
       select r.proowner, 'routine'
         from pg_catalog.pg_proc r join pg_catalog.pg_namespace n on n.oid = r.pronamespace where ${USERS_SCHEMA}) x
      group by 1, 2 order by 1, 2`,
  )
}

function odditiesOf(session: Session, role: string): Promise<z.output<typeof Oddities>> {
  return session.row(
    Oddities,
    `select array(select pg_catalog.format('%I.%I', n.nspname, c.relname)
              from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
             where c.relrowsecurity and ${USERS_SCHEMA} order by 1) as "rowSecurity",
       (select pg_catalog.count(*) from pg_catalog.pg_largeobject_metadata)::int as "largeObjects",
       (select pg_catalog.count(*) from pg_catalog.pg_user_mappings m
         where m.umuser = (select r.oid from pg_catalog.pg_roles r where r.rolname = ${quoteText(role)}))::int as "userMappings",
       exists (select from pg_catalog.pg_namespace where nspname = 'tenantry') as "hasTenantrySchema"`,
  )
}

const Membership = z.object({ name: z.string(), isSuperuser: z.boolean(), may: z.boolean() })
export type Membership = z.output<typeof Membership>

/**
 * Whether a role has another's rights, and may become it.
 * @param member the admin. @param roles a member of them it should be.
 */
export function membershipsOf(
  session: Session,
  member: string,
  roles: readonly string[],
): Promise<Membership[]> {
  const who = quoteText(member)
  return session.rows(
    Membership,
    `select r.rolname::text as name, r.rolsuper as "isSuperuser",
            pg_catalog.pg_has_role(${who}, r.oid, 'USAGE') and pg_catalog.pg_has_role(${who}, r.oid,
              case when pg_catalog.current_setting('server_version_num')::int >= 160000 then 'SET' else 'MEMBER' end) as may
       from pg_catalog.pg_roles r where r.rolname in (${roles.map(quoteText).join(', ')}) order by 1`,
  )
}

/** How the server keeps the role's password, without it; null where the admin may not look. */
export async function verifierOf(admin: Session, role: string): Promise<string | null> {
  const { may } = await admin.row(
    z.object({ may: z.boolean() }),
    `select pg_catalog.has_column_privilege('pg_catalog.pg_authid', 'rolname', 'select')
        and pg_catalog.has_column_privilege('pg_catalog.pg_authid', 'rolpassword', 'select') as may`,
  )
  if (!may) return null
  const { verifier } = await admin.row(
    z.object({ verifier: z.string() }),
    `select case when rolpassword is null then 'none' when rolpassword like 'md5%' then 'MD5'
              else pg_catalog.split_part(rolpassword, '$', 1) || ', '
                || pg_catalog.split_part(pg_catalog.split_part(rolpassword, '$', 2), ':', 1) || ' iterations' end as verifier
       from pg_catalog.pg_authid where rolname = ${quoteText(role)}`,
  )
  return verifier
}
