import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { PreconditionFailedError, SqlError } from '../../errors.ts'
import { everyEntry } from '../../registry/every-entry.ts'
import type { Entry } from '../../registry/registry.ts'
import { refuseHeld } from '../operation/operation-hold.ts'
import { auditEntry, type LifecycleParts, now } from '../parts.ts'
import { membershipOptions } from '../provision/roles.ts'
import { inTurn } from '../server/turn.ts'
import type { Session } from '../session.ts'
import { quoteName, quoteText } from '../sql-name.ts'
import { findTenant } from '../tenant/change-tenant.ts'
import { viewTenant } from '../tenant/tenant-view.ts'
import { type AdoptionData, adoptingOf, adoptionOf } from './adoption.ts'
import type { TenantAdopted } from './tenant-adopted.ts'

export interface Confirmation {
  readonly lockOldRole: boolean
  /** Milliseconds since the adoption, in which every replica hears of the new login. */
  readonly hearMs: number
}

/**
 * Ends the possibility of undoing an adoption: what that needs is forgotten, the old password among it.
 * @throws {PreconditionFailedError} where the tenant was not adopted, or the old role cannot be kept out.
 */
export function confirmAdoption(
  parts: LifecycleParts,
  id: string,
  { lockOldRole, hearMs }: Confirmation,
  actor: string,
): Promise<TenantAdopted> {
  return inTurn(async () => {
    const tenant = await findTenant(parts.registry, id)
    const { record } = tenant
    await refuseHeld(parts, record)
    const found = await adoptionOf(parts.registry, record)
    if (found?.entry.record.state !== 'done')
      throw new PreconditionFailedError(`Tenant ${id} has no adoption to confirm.`)
    const { entry, data } = found
    const heardInMs = Date.parse(entry.record.updatedAt) + hearMs - Date.now()
    if (lockOldRole && heardInMs > 0) await delay(Math.min(heardInMs, hearMs))
    const { provisioning } = await adoptingOf(parts, record, data)
    await using opened = provisioning
    const admin = await opened.admin()
    if (lockOldRole) {
      // On record before it is done, and only if nobody undid the adoption while that was waited for.
      const audit = auditEntry(actor, 'tenant.adopt.lock', id, { role: data.before.route.role })
      await parts.registry.commit({ audit }, [tenant, entry])
    }
    const oldLogin = lockOldRole ? await lock(parts, admin, data, id) : 'works'
    await admin.execute(`grant ${quoteName(data.names.owner)} to current_user${membershipOptions(admin)}`)
    await forget(parts, entry, data, oldLogin, actor)
    const after = await findTenant(parts.registry, id)
    const view = viewTenant(after.record, after.revision)
    return { did: 'confirmed', tenant: view, plan: null, isReversible: false, oldLogin }
  })
}

/** Sessions that are there go on. */
async function lock(
  parts: LifecycleParts,
  admin: Session,
  { before, names }: AdoptionData,
  id: string,
): Promise<'shut_out' | 'locked'> {
  const { role, server } = before.route
  const user = await userOf(parts, role, server, id)
  if (user !== undefined)
    throw new PreconditionFailedError(`Role ${role} is that of tenant ${user}: it is not locked.`)
  const former = [...new Set([role, before.owner])].map(quoteName).join(', ')
  await admin.asRole(names.owner, () =>
    admin.execute(`revoke all on database ${quoteName(names.database)} from ${former}`),
  )
  const locked = await allowed(admin.execute(`alter role ${quoteName(role)} nologin`))
  const { getsIn } = await admin.row(
    z.object({ getsIn: z.boolean() }),
    `select r.rolcanlogin and pg_catalog.has_database_privilege(r.oid, ${quoteText(names.database)}, 'CONNECT') as "getsIn"
       from pg_catalog.pg_roles r where r.rolname = ${quoteText(role)}`,
  )
  if (getsIn)
    throw new PreconditionFailedError(
      `Role ${role} still comes in, as a member of another role, and the admin may not lock it: ALTER ROLE ${quoteName(role)} NOLOGIN`,
    )
  return locked ? 'locked' : 'shut_out'
}

/** False where the admin may not. */
async function allowed(work: Promise<void>): Promise<boolean> {
  try {
    await work
    return true
  } catch (error) {
    if (error instanceof SqlError && error.sqlstate === '42501') return false
    throw error
  }
}

/** Of another tenant, which has come to it since. */
async function userOf(
  { registry }: LifecycleParts,
  role: string,
  server: string,
  except: string,
): Promise<string | undefined> {
  for await (const { id, record } of everyEntry(registry, 'tenant', { role, server })) {
    if (id !== except && record.status !== 'deleted') return id
  }
  return undefined
}

async function forget(
  { registry }: LifecycleParts,
  { id, record, revision }: Entry<'operation'>,
  data: AdoptionData,
  oldLogin: string,
  actor: string,
): Promise<void> {
  const after: AdoptionData = { ...data, ended: 'confirmed', password: null, oldPassword: null }
  const audit = auditEntry(actor, 'tenant.adopt.confirm', record.tenant ?? id, { operation: id, oldLogin })
  await registry.commit(
    { puts: [{ kind: 'operation', id, record: { ...record, data: after, updatedAt: now() } }], audit },
    [{ kind: 'operation', id, revision }],
  )
}
