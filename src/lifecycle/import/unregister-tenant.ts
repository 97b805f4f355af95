import { z } from 'zod'
import { PreconditionFailedError } from '../../errors.ts'
import { refuseUnconfirmed } from '../delete/confirmation.ts'
import { deleteTenant } from '../delete/delete-tenant.ts'
import { startPurge, type TenantPurged } from '../delete/purge-tenant.ts'
import type { Started } from '../operation/started.ts'
import type { LifecycleParts } from '../parts.ts'
import { findTenant } from '../tenant/change-tenant.ts'

export const UnregisterTenant = z.strictObject({
  /** The tenant's name once more. */
  confirm: z.string().optional(),
})
export type UnregisterTenant = z.input<typeof UnregisterTenant>

/**
 * Takes back a registration at once: the router refuses the tenant and ends its sessions, then its record, keys and other
 * names go. Its database, role and password stay as they are, so it may be registered again. Called again it goes on.
 * @throws {InvalidRequestError} where it is not confirmed; {TenantUnknownError}; {PreconditionFailedError} where it was
 * provisioned or adopted, or another operation has it.
 */
export async function startUnregistering(
  parts: LifecycleParts,
  id: string,
  input: UnregisterTenant,
  actor: string,
): Promise<Started<TenantPurged>> {
  const { confirm } = UnregisterTenant.parse(input)
  refuseUnconfirmed(id, confirm)
  const { record } = await findTenant(parts.registry, id)
  if (record.origin !== 'registered') {
    throw new PreconditionFailedError(
      `The database of tenant ${id} is ours, not its owner's: undo its adoption where that is not confirmed (tenantry tenant adopt ${id} --undo), or delete the tenant (tenantry tenant delete ${id}).`,
    )
  }
  if (record.status !== 'deleted' && record.status !== 'deleting') {
    await deleteTenant(parts, id, { confirm, graceMs: 0, reason: 'unregistered' }, actor)
  }
  return startPurge(parts, id, { confirm, now: true }, actor)
}
