import { PreconditionFailedError } from '../../errors.ts'
import type { Entry } from '../../registry/registry.ts'
import type { ServerRecord } from '../../registry/server-record.ts'
import type { Identity, TenantRecord } from '../../tenant/tenant-record.ts'
import type { TenantStatus } from '../../tenant/tenant-status.ts'
import { auditEntry, type LifecycleParts } from '../parts.ts'
import { changeTenant } from '../tenant/change-tenant.ts'
import type { AdminSessions } from './admin-sessions.ts'

/** What became of one tenant, or would. */
export interface AcceptedTenant {
  readonly tenant: string
  readonly status: TenantStatus
  /** Whether registry and server agreed already, were made to, or do not. */
  readonly outcome: 'as_recorded' | 'accepted' | 'refused'
  /** What was done, in words; in a dry run, what would be. */
  readonly changes: readonly string[]
  /** Why it is not served by this, and what would help. */
  readonly refusal: string | null
}

/** One run of `server accept`. */
export interface Acceptance {
  readonly parts: LifecycleParts
  readonly server: ServerRecord
  /** Undefined where the server has no admin login on record, or this process no key for it. */
  readonly admin: AdminSessions | undefined
  /** All tenants of the server. */
  readonly neighbours: readonly Entry<'tenant'>[]
  readonly dryRun: boolean
  readonly actor: string
}

export type Finding = Pick<AcceptedTenant, 'changes' | 'refusal'>

export function refused(refusal: string): Finding {
  return { changes: [], refusal }
}

/**
 * Puts on record by what the tenant's database is known from now on.
 * @throws {PreconditionFailedError} where the record became another one since it was looked at.
 */
export async function recogniseBy(
  { parts, actor }: Acceptance,
  before: TenantRecord,
  identity: Identity,
): Promise<void> {
  const audit = auditEntry(actor, 'tenant.accept', before.id, { identity: identity.kind })
  await changeTenant(parts.registry, before.id, audit, (present) => {
    const isSame =
      present.generation === before.generation &&
      present.epoch === before.epoch &&
      present.status === before.status
    if (!isSame)
      throw new PreconditionFailedError(`Tenant ${before.id} was changed meanwhile. Accept it again.`)
    return { identity }
  })
}
