import { z } from 'zod'
import { InternalError, PreconditionFailedError, SqlError } from '../../errors.ts'
import type { ServerRecord } from '../../registry/server-record.ts'
import type { TenantLimits } from '../../tenant/tenant-record.ts'
import type { Session } from '../session.ts'
import { quoteName, quoteText } from '../sql-name.ts'

const duration = z
  .string()
  .regex(/^\d{1,9}(?:ms|s|min|h)?$/, 'milliseconds, or with a unit: 500ms, 30s, 5min, 1h')
const size = z.string().regex(/^\d{1,7}(?:kB|MB|GB)$/, 'a size with a unit: 64kB, 16MB, 1GB')

/**
 * What a plan may set for the login roles of its tenants. A role can change all but `temp_file_limit` for itself again:
 * they are a net below the router's own deadlines, and not a boundary.
 */
export const RoleSettings = z
  .strictObject({
    statement_timeout: duration,
    lock_timeout: duration,
    idle_in_transaction_session_timeout: duration,
    idle_session_timeout: duration,
    /** From Postgres 17 on. */
    transaction_timeout: duration,
    work_mem: size,
    temp_buffers: size,
    /** The admin needs `GRANT SET ON PARAMETER temp_file_limit`. */
    temp_file_limit: size,
    max_parallel_workers_per_gather: z.string().regex(/^\d{1,3}$/, 'a number'),
  })
  .partial()
export type RoleSettings = z.output<typeof RoleSettings>

/** As `RouterOptions.maxConnectionsPerTenant`. */
const DEFAULT_CONNECTIONS = 10
/** Of the service, each with a budget of its own for the tenant: two, and two more while those are replaced. */
const PROCESSES = 4
/** So that the router's deadline comes first, whose cancel tells why. */
const MARGIN_MS = 1_000

/**
 * CONNECTION LIMIT of a login role: above what all processes together open, so that the budget is what they meet, and
 * low enough that a stolen password cannot take the server.
 * @param perProcess connections that one process may have to the tenant.
 */
export function connectionLimitFor(
  limits: TenantLimits,
  { maxConnections, headroom }: ServerRecord['budget'],
  perProcess = DEFAULT_CONNECTIONS,
): number {
  const own = limits.maxConnections ?? perProcess
  return Math.min(own * PROCESSES, maxConnections) + headroom
}

/** What the plan says; else the statement timeout that the tenant's limits say. */
export function settingsFor(limits: TenantLimits, settings: RoleSettings): RoleSettings {
  const { statementTimeoutMs } = limits
  return statementTimeoutMs === undefined
    ? settings
    : { statement_timeout: String(statementTimeoutMs + MARGIN_MS), ...settings }
}

/** As `limitRoles`, of one. */
export function limitRole(
  admin: Session,
  role: string,
  connectionLimit: number,
  settings: RoleSettings,
): Promise<void> {
  return limitRoles(admin, [role], connectionLimit, settings)
}

/** @throws {PreconditionFailedError} where the server knows no such setting, or the admin may not set it. */
export async function limitRoles(
  admin: Session,
  roles: readonly string[],
  connectionLimit: number,
  settings: RoleSettings,
): Promise<void> {
  await admin.script(limitStatements(roles, connectionLimit, {}).join(';'))
  for (const [name, value] of given(settings)) {
    try {
      await admin.script(roles.map((role) => settingStatement(role, name, value)).join(';'))
    } catch (error) {
      throw error instanceof SqlError ? refusal(name, error.sqlstate) : error
    }
  }
  await readBack(admin, roles, connectionLimit, settings)
}

export function limitStatements(
  roles: readonly string[],
  connectionLimit: number,
  settings: RoleSettings,
): string[] {
  return roles.flatMap((role) => [
    `alter role ${quoteName(role)} connection limit ${connectionLimit}`,
    ...given(settings).map(([name, value]) => settingStatement(role, name, value)),
  ])
}

function settingStatement(role: string, name: string, value: string): string {
  return `alter role ${quoteName(role)} set ${quoteName(name)} to ${quoteText(value)}`
}

function given(settings: RoleSettings): [string, string][] {
  return Object.entries(settings).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]))
}

function refusal(name: string, sqlstate: string): PreconditionFailedError {
  if (sqlstate === '42501') {
    return new PreconditionFailedError(
      `The admin may not set ${name} for a role: GRANT SET ON PARAMETER ${name} TO the admin, as a superuser.`,
    )
  }
  const why = sqlstate === '42704' ? 'knows no such setting' : `refuses it (${sqlstate})`
  return new PreconditionFailedError(`Setting ${name} cannot be made: the server ${why}.`)
}

/** What `LIMITED` selects from pg_roles `r`. */
export const Limited = z.object({ connectionLimit: z.int(), settings: z.array(z.string()) })
export const LIMITED = `r.rolconnlimit as "connectionLimit", coalesce(r.rolconfig, '{}'::pg_catalog.text[]) as settings`

export function isLimited(
  role: z.output<typeof Limited>,
  connectionLimit: number,
  settings: RoleSettings,
): boolean {
  const meant = given(settings).map(([name, value]) => `${name}=${value}`)
  return role.connectionLimit === connectionLimit && meant.every((setting) => role.settings.includes(setting))
}

async function readBack(
  admin: Session,
  roles: readonly string[],
  connectionLimit: number,
  settings: RoleSettings,
): Promise<void> {
  const found = await admin.rows(
    Limited,
    `select ${LIMITED} from pg_catalog.pg_roles r where r.rolname in (${roles.map(quoteText).join(', ')})`,
  )
  const isMeant = found.every((role) => isLimited(role, connectionLimit, settings))
  if (found.length === roles.length && isMeant) return
  throw new InternalError(`limits of roles are not as they were set: ${JSON.stringify(found)}`)
}
