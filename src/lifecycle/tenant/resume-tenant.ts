import { PreconditionFailedError, RevisionConflictError, TenantryError } from '../../errors.ts'
import type { Entry } from '../../registry/registry.ts'
import { auditEntry, type LifecycleParts } from '../parts.ts'
import { findServer } from '../server/server-view.ts'
import { inTurn } from '../server/turn.ts'
import { decideTenant, findTenant } from './change-tenant.ts'
import { fenceTenant } from './fence.ts'
import { slotsOf } from './login-slots.ts'
import { openLogin } from './open-login.ts'
import { type TenantView, viewTenant } from './tenant-view.ts'

/**
 * Lets a suspended tenant in again: first the database, then the registry. An active one stays as it is.
 * @throws {TenantUnknownError | PreconditionFailedError | ServerUnavailableError}
 */
export async function resumeTenant(parts: LifecycleParts, id: string, actor: string): Promise<TenantView> {
  let isOpened = false
  try {
    return await inTurn(async () => {
      const before = await findTenant(parts.registry, id)
      if (before.record.status === 'active') return viewTenant(before.record, before.revision)
      if (before.record.status !== 'suspended') {
        throw new PreconditionFailedError(`Tenant ${id} is ${before.record.status}, not suspended.`)
      }
      isOpened = true
      await openLogin(parts, before.record)
      const after = await activate(parts, before, actor)
      // Whoever suspended it before may have locked it only now; whoever does so from now on has said so first.
      const present = await findTenant(parts.registry, id)
      if (present.record.status === 'active') await openLogin(parts, present.record)
      return viewTenant(after.record, after.revision)
    })
  } catch (error) {
    if (isOpened) await lockUnlessActive(parts, id)
    throw error
  }
}

/** @throws {RevisionConflictError} where it was changed since its login was opened: that may have been locked again. */
function activate({ registry }: LifecycleParts, before: Entry<'tenant'>, actor: string) {
  const audit = auditEntry(actor, 'tenant.resume', before.id)
  return decideTenant(registry, before.id, ({ revision }) => {
    if (revision !== before.revision)
      throw new RevisionConflictError(`tenant ${before.id} was changed while it was resumed`)
    return { change: { status: 'active', statusReason: null }, audit }
  })
}

/** As far as that can be done: what went wrong before is what is told. */
async function lockUnlessActive(parts: LifecycleParts, id: string): Promise<void> {
  try {
    // Listed, since a caller that named a revision is shown no other by `find`.
    const { entries } = await parts.registry.list('tenant', undefined, { prefix: id, limit: 1 })
    const [entry] = entries
    if (entry?.id !== id || entry.record.status === 'active' || entry.record.origin === 'registered') return
    const server = await findServer(parts.registry, entry.record.route.server)
    const rolesOf = () => slotsOf(entry.record.route)
    await fenceTenant(parts, entry.record, server, { again: 'Suspend it again', rolesOf })
  } catch (error) {
    if (!(error instanceof TenantryError)) throw error
  }
}
