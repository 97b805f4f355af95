import { z } from 'zod'
import type { Session } from '../session.ts'
import { STANDING } from '../tenant/isolation.ts'

const Facts = z.object({
  version: z.int(),
  maxConnections: z.int(),
  reserved: z.int(),
  passwordEncryption: z.string(),
  clockMs: z.number(),
})

/** A server's settings, and how far its clock is from ours. */
export interface ServerFacts {
  /** Major version of Postgres. */
  readonly version: number
  readonly maxConnections: number
  /** Of those, kept for superusers and reserved roles. */
  readonly reserved: number
  readonly passwordEncryption: string
  /** Positive where the server is ahead of us. */
  readonly skewMs: number
  /** What the skew may be wrong by. */
  readonly skewErrorMs: number
}

const DatabaseSeen = z.object({
  name: z.string(),
  owner: z.string(),
  isOpen: z.boolean(),
  connectionLimit: z.int(),
  /** Whoever asked may become its owner. */
  isOurs: z.boolean(),
  grants: z.array(z.string()),
})
export interface DatabaseSeen extends Omit<z.output<typeof DatabaseSeen>, 'grants'> {
  /** Right → roles that have it; the empty name is PUBLIC. */
  readonly grants: ReadonlyMap<string, ReadonlySet<string>>
}
/** No role can be called so. */
export const PUBLIC = ''

const RoleSeen = z.object({
  name: z.string(),
  canLogin: z.boolean(),
  connectionLimit: z.int(),
  /** As `SUPERUSER, CREATEDB`; empty without any. */
  attributes: z.string(),
  memberships: z.array(z.string()),
  /** As `name=value`, in every database. */
  settings: z.array(z.string()),
  /** Whoever asked may become it. */
  isOurs: z.boolean(),
})
export type RoleSeen = z.output<typeof RoleSeen>

const VerifierSeen = z.object({
  name: z.string(),
  kind: z.enum(['none', 'md5', 'scram', 'other']),
  iterations: z.int().nullable(),
})
export type VerifierSeen = z.output<typeof VerifierSeen>

/** What every login may read of a server, as of one moment. */
export interface Catalog {
  readonly databases: ReadonlyMap<string, DatabaseSeen>
  readonly roles: ReadonlyMap<string, RoleSeen>
  /** Null where they are not for this login to read, as on every server where it is no superuser. */
  readonly verifiers: ReadonlyMap<string, VerifierSeen> | null
}

/** @param now wall clock, in milliseconds. */
export async function readFacts(session: Session, now: () => number): Promise<ServerFacts> {
  const before = now()
  const facts = await session.row(
    Facts,
    `select pg_catalog.current_setting('server_version_num')::pg_catalog.int4 as version,
       pg_catalog.current_setting('max_connections')::pg_catalog.int4 as "maxConnections",
       pg_catalog.current_setting('superuser_reserved_connections')::pg_catalog.int4
         + coalesce(pg_catalog.current_setting('reserved_connections', true), '0')::pg_catalog.int4 as reserved,
       pg_catalog.current_setting('password_encryption') as "passwordEncryption",
       (pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()) * 1000)::pg_catalog.float8 as "clockMs"`,
  )
  const after = now()
  return {
    ...facts,
    version: Math.floor(facts.version / 10_000),
    skewMs: facts.clockMs - (before + after) / 2,
    skewErrorMs: (after - before) / 2,
  }
}

export async function readCatalog(session: Session): Promise<Catalog> {
  const databases = await session.rows(
    DatabaseSeen,
    `select d.datname::pg_catalog.text as name, pg_catalog.pg_get_userbyid(d.datdba)::pg_catalog.text as owner,
       d.datallowconn as "isOpen", d.datconnlimit as "connectionLimit",
       pg_catalog.pg_has_role(d.datdba, 'MEMBER') as "isOurs",
       array(select a.privilege_type || ' ' || case when a.grantee = 0 then '' else pg_catalog.pg_get_userbyid(a.grantee)::pg_catalog.text end
               from pg_catalog.aclexplode(coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))) a) as grants
       from pg_catalog.pg_database d`,
  )
  const roles = await session.rows(
    RoleSeen,
    `select r.rolname::pg_catalog.text as name, r.rolcanlogin as "canLogin", r.rolconnlimit as "connectionLimit",
       ${STANDING},
       coalesce(r.rolconfig, '{}') as settings, pg_catalog.pg_has_role(r.oid, 'MEMBER') as "isOurs"
       from pg_catalog.pg_roles r`,
  )
  return {
    databases: new Map(databases.map((seen) => [seen.name, { ...seen, grants: grantsOf(seen.grants) }])),
    roles: new Map(roles.map((role) => [role.name, role])),
    verifiers: await readVerifiers(session),
  }
}

function grantsOf(texts: readonly string[]): Map<string, Set<string>> {
  const grants = new Map<string, Set<string>>()
  for (const text of texts) {
    const at = text.indexOf(' ')
    const right = text.slice(0, at)
    grants.set(right, (grants.get(right) ?? new Set()).add(text.slice(at + 1)))
  }
  return grants
}

/** How they were made, never what they are. */
async function readVerifiers(session: Session): Promise<Catalog['verifiers']> {
  const { may } = await session.row(
    z.object({ may: z.boolean() }),
    `select pg_catalog.has_column_privilege('pg_catalog.pg_authid', 'rolname', 'select')
        and pg_catalog.has_column_privilege('pg_catalog.pg_authid', 'rolpassword', 'select') as may`,
  )
  if (!may) return null
  const rows = await session.rows(
    VerifierSeen,
    `select a.rolname::pg_catalog.text as name,
       case when a.rolpassword is null then 'none' when pg_catalog.starts_with(a.rolpassword, 'md5') then 'md5'
         when pg_catalog.starts_with(a.rolpassword, 'SCRAM-SHA-256$') then 'scram' else 'other' end as kind,
       case when pg_catalog.starts_with(a.rolpassword, 'SCRAM-SHA-256$')
         then pg_catalog.split_part(pg_catalog.split_part(a.rolpassword, '$', 2), ':', 1)::pg_catalog.int4 end as iterations
       from pg_catalog.pg_authid a where a.rolcanlogin`,
  )
  return new Map(rows.map((verifier) => [verifier.name, verifier]))
}
