import { z } from 'zod'
import { PreconditionFailedError } from '../../errors.ts'
import { adminTargetOf, targetOf } from '../../registry/route.ts'
import type { ServerRecord } from '../../registry/server-record.ts'
import type { TenantRecord } from '../../tenant/tenant-record.ts'
import type { LifecycleParts } from '../parts.ts'
import { Session } from '../session.ts'
import { quoteName, quoteText } from '../sql-name.ts'

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
    return { fence: 'database', sessionsEnded, caveat: null }
  }
  await using session = await Session.open(targetOf(tenant, server, sealer, registry.id))
  const sessionsEnded = await endOwnSessions(session, tenant)
  const caveat =
    tenant.origin === 'registered'
      ? `Role ${tenant.route.role} is not ours to lock: whoever has its password can still log in to the database directly.`
      : `This process has no TENANTRY_ADMIN_KEY: the role can still log in. ${again} where the key is.`
  return { fence: 'registry', sessionsEnded, caveat }
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

/** As the role itself, which ends its own sessions: the admin is no superuser. @returns how many ended. */
export async function endSessionsOfRole(admin: Session, role: string): Promise<number> {
  const which = `s.usename = ${quoteText(role)}`
  // A role that was half made may be one that the admin cannot become, and has no session.
  if ((await countSessions(admin, which)) === 0) return 0
  return admin.asRole(role, () => endSessions(admin, which))
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

const ROUNDS = 5

/**
 * @param which of `pg_stat_activity s`, as SQL.
 * @throws {PreconditionFailedError} where there are some again and again.
 */
export async function endSessions(session: Session, which: string): Promise<number> {
  let ended = 0
  for (let round = 1; round <= ROUNDS; round += 1) {
    const rows = await session.rows(
      z.object({ gone: z.boolean() }),
      `select pg_catalog.pg_terminate_backend(s.pid, 1000) as gone from pg_catalog.pg_stat_activity s where ${which}`,
    )
    if (rows.length === 0) return ended
    ended += rows.filter(({ gone }) => gone).length
  }
  throw new PreconditionFailedError('Sessions of the tenant go on beginning or do not end.')
}
