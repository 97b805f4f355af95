import { TenantryError, TenantSuspendedError } from '../../errors.ts'
import { parseTenantId, type TenantId } from '../../tenant/tenant-id.ts'
import type { LifecycleParts } from '../parts.ts'
import { fenceTenant } from '../tenant/fence.ts'
import { SUSPENSION, SuspendTenant, suspendTenant, type TenantSuspended } from '../tenant/suspend-tenant.ts'
import { type OwnMeans, type Postponed, unlessAway } from './own-means.ts'

/**
 * As `suspendTenant`. Where the registry cannot be asked, this process refuses the tenant at once, the database does where
 * its server is known here, and the record is changed when the registry is back.
 * @throws as `suspendTenant`; {RegistryUnavailableError} where too much waits for the registry already.
 */
export function suspendAnyhow(
  parts: LifecycleParts,
  means: OwnMeans,
  id: string,
  input: SuspendTenant,
  actor: string,
): Promise<TenantSuspended | Postponed> {
  const tenant = parseTenantId(id)
  const wanted = SuspendTenant.parse(input)
  return unlessAway(
    () => suspendTenant(parts, id, wanted, actor),
    async () => {
      const hold = means.hold(
        tenant,
        new TenantSuspendedError(`tenant ${id} is held until the registry is back`),
      )
      try {
        const asked = { askedAt: new Date().toISOString() }
        const work = () => suspendTenant(parts, id, wanted, actor, asked)
        means.postponed.postpone(`suspend ${id}`, work, () => hold[Symbol.dispose]())
      } catch (error) {
        hold[Symbol.dispose]()
        throw error
      }
      return { postponed: true, until: `This process refuses it. ${await fenced(parts, means, tenant)}` }
    },
  )
}

/** Other processes hear of nothing while the registry is away: the database is what stops them. */
async function fenced(parts: LifecycleParts, means: OwnMeans, id: TenantId): Promise<string> {
  const known = await means.known(id)
  const others = 'Other processes go on until the registry is back.'
  if (known === undefined) return others
  try {
    const { fence, caveat } = await fenceTenant(parts, known.tenant, known.server, SUSPENSION)
    const held = fence === 'database' ? 'The database refuses its logins.' : others
    return `${held} ${caveat ?? ''}`.trim()
  } catch (error) {
    if (!(error instanceof TenantryError)) throw error
    return `${others} Its sessions could not be ended (${error.code}).`
  }
}
