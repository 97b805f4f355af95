import { z } from 'zod'
import { PreconditionFailedError, SqlError } from '../../errors.ts'
import { adminTargetOf, targetOf } from '../../registry/route.ts'
import type { ServerRecord } from '../../registry/server-record.ts'
import type { TenantRecord } from '../../tenant/tenant-record.ts'
import type { LifecycleParts } from '../parts.ts'
import { Session } from '../session.ts'
import { quoteName, quoteText } from '../sql-name.ts'

const ROUNDS = 5
const GONE_WITHIN_MS = 1_000
const INSUFFICIENT_PRIVILEGE = '42501'

/** What keeps a tenant out that is refused. */
export interface Fence {
  /** Whether the database itself refuses the tenant now, or only the router does. */
  readonly fence: 'database' | 'registry'
  readonly sessionsEnded: number
  /** What the fence does not hold back, in words; null where it is whole. */
  readonly caveat: string | null
}

export interface Fencing {
  /** In words, for caveats: what to do again where more can be done. */
  readonly again: string
  /** Login roles of a provisioned tenant, to be locked. Each must be on the server. */
  readonly rolesOf: (admin: Session, tenant: TenantRecord) => Promise<readonly string[]> | readonly string[]
}

/**
 * Ends a tenant's sessions, and locks its roles where they are ours and this process may.
 * @throws {ServerUnavailableError | LoginFailedError | SqlError | PreconditionFailedError} where it could not.
 */
export async function fenceTenant(
  parts: LifecycleParts,
  tenant: TenantRecord,
  server: ServerRecord,
  { again, rolesOf }: Fencing,
): Promise<Fence> {
  const { registry, sealer, adminSealer } = parts
  if (tenant.origin === 'provisioned' && adminSealer !== undefined && server.admin !== null) {
    await using admin = await Session.open(adminTargetOf(server, adminSealer, registry.id, undefined, sealer))
    const sessionsEnded = await lockOut(admin, await rolesOf(admin, tenant))
    return { fence: 'database', sessionsEnded, caveat: await openDoors(admin, tenant) }
  }
  await using session = await Session.open(targetOf(tenant, server, sealer, registry.id))
  const sessionsEnded = await endOwnSessions(session, tenant)
  const caveat =
    tenant.origin === 'registered'
      ? `Role ${tenant.route.role} is not ours to lock: whoever has its password can still log in to the database directly.`
      : `This process has no TENANTRY_ADMIN_KEY: the role can still log in. ${again} where the key is.`
  return { fence: 'registry', sessionsEnded, caveat }
}

/**
 * Who still comes in: the login that an adopted tenant had before us, which is its owner's, and, where only the router's
 * logins are locked, those of people and tools.
 */
async function openDoors(admin: Session, { id, route }: TenantRecord): Promise<string | null> {
  const rows = await admin.rows(
    z.object({ name: z.string() }),
    `with recursive guests as (
       select a.grantee as oid from pg_catalog.pg_database d,
              pg_catalog.aclexplode(coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))) a
        where d.datname = ${quoteText(route.database)}
       union select m.member from guests g join pg_catalog.pg_auth_members m on m.roleid = g.oid
     )
     select r.rolname::pg_catalog.text as name from guests g join pg_catalog.pg_roles r on r.oid = g.oid
      where r.rolcanlogin and not r.rolsuper and r.rolname <> session_user
        and pg_catalog.has_database_privilege(r.oid, ${quoteText(route.database)}, 'CONNECT') order by 1`,
  )
  if (rows.length === 0) return null
  const names = rows.map(({ name }) => name).join(', ')
  return (
    `Not locked, and still let in by the database: ${names}. A login from before the adoption is its owner's to lock; ` +
    `those of people and tools are revoked with: tenantry tenant credentials ${id} --revoke ROLE`
  )
}

/** NOLOGIN before the sessions end, so that none begins after. */
async function lockOut(admin: Session, roles: readonly string[]): Promise<number> {
  let ended = 0
  for (const role of roles) {
    await admin.execute(`alter role ${quoteName(role)} nologin`)
    ended += await endSessionsOfRole(admin, role)
  }
  return ended
}

/**
 * As the role itself, which ends its own sessions: the admin is no superuser.
 * @param role which may not log in any more: one that begins after this is not seen.
 * @returns how many ended.
 */
export async function endSessionsOfRole(admin: Session, role: string): Promise<number> {
  const which = `s.usename = ${quoteText(role)}`
  const beginning = await beginningLogins(admin, role)
  // A role that was half made may be one that the admin cannot become, and has no session.
  if (beginning.size === 0 && (await countSessions(admin, which)) === 0) return 0
  return admin.asRole(role, async () => {
    const ended = await endBeginningLogins(admin, role, beginning)
    return ended + (await endSessions(admin, which))
  })
}

/**
 * Backends that no view names yet: each has a transaction while it logs in. One that found the role in order just before
 * that was locked would be a session a moment later. None where the admin cannot become the role.
 */
async function beginningLogins(session: Session, role: string): Promise<Set<number>> {
  const rows = await session.rows(
    z.object({ pid: z.int() }),
    `select l.pid from pg_catalog.pg_locks l
      where l.locktype = 'virtualxid' and l.pid <> pg_catalog.pg_backend_pid()
        and pg_catalog.pg_has_role(${quoteText(role)},
              case when pg_catalog.current_setting('server_version_num')::pg_catalog.int4 >= 160000 then 'SET' else 'MEMBER' end)
        and not exists (select from pg_catalog.pg_stat_activity s where s.pid = l.pid and s.usename is not null)`,
  )
  return new Set(rows.map(({ pid }) => pid))
}

/**
 * @param first that were beginning once the role was locked: whoever began later, a stranger on a busy server most
 * often, finds it locked.
 * @throws {PreconditionFailedError} where one does not end.
 */
async function endBeginningLogins(
  session: Session,
  role: string,
  first: ReadonlySet<number>,
): Promise<number> {
  let left = first
  let ended = 0
  for (let round = 1; left.size > 0; round += 1) {
    if (round > ROUNDS) throw new PreconditionFailedError('Logins of the tenant began and do not end.')
    const there = new Set<number>()
    for (const pid of left) {
      const outcome = await terminate(session, pid)
      if (outcome === 'gone') ended += 1
      if (outcome === 'there') there.add(pid)
    }
    if (there.size === 0) break
    const beginning = await beginningLogins(session, role)
    left = new Set([...there].filter((pid) => beginning.has(pid)))
  }
  return ended
}

/** Whose a beginning login is, only the refusal to end it tells. */
async function terminate(session: Session, pid: number): Promise<'gone' | 'there' | 'not ours'> {
  try {
    const text = `select pg_catalog.pg_terminate_backend(${pid}, ${GONE_WITHIN_MS}) as gone`
    const { gone } = await session.row(z.object({ gone: z.boolean() }), text)
    return gone ? 'gone' : 'there'
  } catch (error) {
    if (error instanceof SqlError && error.sqlstate === INSUFFICIENT_PRIVILEGE) return 'not ours'
    throw error
  }
}

function endOwnSessions(session: Session, { route }: TenantRecord): Promise<number> {
  return endSessions(
    session,
    `s.usename = session_user and s.datname = ${quoteText(route.database)} and s.pid <> pg_catalog.pg_backend_pid()`,
  )
}

/** @param which of `pg_stat_activity s`, as SQL. */
export async function countSessions(session: Session, which: string): Promise<number> {
  const { count } = await session.row(
    z.object({ count: z.int() }),
    `select pg_catalog.count(*)::pg_catalog.int4 as count from pg_catalog.pg_stat_activity s where ${which}`,
  )
  return count
}

/**
 * @param which of `pg_stat_activity s`, as SQL.
 * @throws {PreconditionFailedError} where there are some again and again.
 */
export async function endSessions(session: Session, which: string): Promise<number> {
  let ended = 0
  for (let round = 1; round <= ROUNDS; round += 1) {
    const rows = await session.rows(
      z.object({ gone: z.boolean() }),
      `select pg_catalog.pg_terminate_backend(s.pid, ${GONE_WITHIN_MS}) as gone from pg_catalog.pg_stat_activity s where ${which}`,
    )
    if (rows.length === 0) return ended
    ended += rows.filter(({ gone }) => gone).length
  }
  throw new PreconditionFailedError('Sessions of the tenant go on beginning or do not end.')
}
