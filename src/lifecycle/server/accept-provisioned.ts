import { InternalError, LoginFailedError } from '../../errors.ts'
import type { Entry } from '../../registry/registry.ts'
import { targetOf } from '../../registry/route.ts'
import { readStamp, strangerIn } from '../../router/identity.ts'
import type { TenantRecord } from '../../tenant/tenant-record.ts'
import { ownRoles } from '../delete/own-roles.ts'
import { auditEntry } from '../parts.ts'
import { setPassword } from '../provision/role-password.ts'
import { Session } from '../session.ts'
import { quoteName } from '../sql-name.ts'
import { slotsOf } from '../tenant/login-slots.ts'
import { type Acceptance, type Finding, recogniseBy, refused } from './acceptance.ts'
import type { AdminSessions } from './admin-sessions.ts'

/**
 * A database of our making: known by its stamp, which only its owner could have written. Its login roles are
 * ours, so they get the password and the lock that the registry has.
 */
export async function acceptProvisioned(acceptance: Acceptance, entry: Entry<'tenant'>): Promise<Finding> {
  const { record } = entry
  const { admin } = acceptance
  if (admin === undefined)
    return refused('Its roles are set by the admin of the server: accept it where TENANTRY_ADMIN_KEY is.')
  const { database } = record.route
  const owner = await admin.ownerOf(database)
  if (owner === undefined) return refused(`Its database ${database} is not on the server.`)
  const stamp = await admin.inside(database, owner, (session) => readStamp(session.connection))
  const stranger = typeof stamp === 'string' ? stamp : strangerIn(stamp, record)
  if (stranger !== undefined || typeof stamp === 'string') return refused(`Not its database: ${stranger}.`)
  const roles = await planRoles(acceptance, admin, record)
  if (typeof roles === 'string') return refused(roles)
  const isKnown = record.identity?.kind === 'stamp' && record.identity.incarnation === stamp.incarnation
  const changes = [
    ...(isKnown ? [] : [`known by incarnation ${stamp.incarnation} from now on`]),
    ...(roles.opens ? [`role ${record.route.role} has the password on record`] : []),
    ...roles.locks.map((role) => `role ${role} may not log in any more`),
  ]
  if (!acceptance.dryRun) {
    await applyRoles(acceptance, admin, entry, roles)
    if (!isKnown) await recogniseBy(acceptance, record, { kind: 'stamp', incarnation: stamp.incarnation })
  }
  return { changes, refusal: null }
}

/** A tenant that the registry has done with: what came back of it lets nobody in. @returns what was done. */
export async function lockAgain(acceptance: Acceptance, entry: Entry<'tenant'>): Promise<string[]> {
  const { admin } = acceptance
  if (admin === undefined) return []
  const roles = await admin.atHome((session) => ownRoles(session, entry.record))
  const locks = roles.filter(({ login }) => login).map(({ name }) => name)
  if (!acceptance.dryRun) await applyRoles(acceptance, admin, entry, { opens: false, locks })
  return locks.map((role) => `role ${role} may not log in any more`)
}

interface RolePlan {
  /** The role on record gets its password and may log in. */
  readonly opens: boolean
  readonly locks: readonly string[]
}

/** The server may have passwords and locks of long ago: one that was rotated away must not work again. */
async function planRoles(
  acceptance: Acceptance,
  admin: AdminSessions,
  record: TenantRecord,
): Promise<RolePlan | string> {
  const { role } = record.route
  const logins = await admin.logins(slotsOf(record.route))
  if (!logins.has(role)) return `Its role ${role} is not on the server.`
  const isServed = record.status === 'active'
  const locks = [...logins].filter(([name, mayLogin]) => mayLogin && !(isServed && name === role))
  const opens = isServed && !(logins.get(role) && (await logsIn(acceptance, record)))
  return { opens, locks: locks.map(([name]) => name) }
}

async function logsIn({ parts, server }: Acceptance, record: TenantRecord): Promise<boolean> {
  try {
    await using session = await Session.readOnly(targetOf(record, server, parts.sealer, parts.registry.id))
    return session.connection.isOpen
  } catch (error) {
    if (error instanceof LoginFailedError) return false
    throw error
  }
}

/** @throws {RevisionConflictError} where the tenant was changed since: what is suspended now stays locked. */
async function applyRoles(
  { parts, server, actor }: Acceptance,
  admin: AdminSessions,
  { id, record, revision }: Entry<'tenant'>,
  { opens, locks }: RolePlan,
): Promise<void> {
  if (!opens && locks.length === 0) return
  // On record before it is done: whoever looks for it later finds at least what was meant.
  const audit = auditEntry(actor, 'tenant.accept', id, { opens, locks: locks.join(' ') })
  await parts.registry.commit({ audit }, [{ kind: 'tenant', id, revision }])
  const password = () => {
    const { password } = targetOf(record, server, parts.sealer, parts.registry.id)
    if (password === undefined) throw new InternalError(`tenant ${id} has no password`)
    return password
  }
  await admin.atHome(async (session) => {
    for (const role of locks) await session.execute(`alter role ${quoteName(role)} nologin`)
    const setting = { parts, server, password, admin: () => Promise.resolve(session) }
    if (opens) await setPassword(setting, record.route.role)
  })
}
