import { randomUUID } from 'node:crypto'
import { PreconditionFailedError, TenantDeletedError } from '../../errors.ts'
import type { OperationKind, OperationRecord } from '../../registry/operation-record.ts'
import type { TenantRecord } from '../../tenant/tenant-record.ts'
import { isDeleted } from '../../tenant/tenant-status.ts'
import type { LifecycleParts } from '../parts.ts'

/** A process has the operation that it is at for this long after it was last heard of. */
const HOLD_MS = 15_000
/** This process, as operations on record name it. */
const PROCESS = randomUUID()

export function holdMs(parts: LifecycleParts): number {
  return parts.holdMs ?? HOLD_MS
}

export function holder(parts: LifecycleParts): OperationRecord['holder'] {
  return { process: PROCESS, until: new Date(Date.now() + holdMs(parts)).toISOString() }
}

/** Whether a process is at it, as far as the registry knows. */
export function isHeld({ state, holder }: OperationRecord): boolean {
  return state === 'running' && holder !== null && Date.parse(holder.until) > Date.now()
}

const OF_DELETED: ReadonlySet<OperationKind> = new Set(['delete', 'undelete', 'purge'])

/** @throws {TenantDeletedError} for what must not bring a deleted tenant back, as going on with making it would. */
export function refuseDeleted(kind: OperationKind, tenant: Pick<TenantRecord, 'id' | 'status'>): void {
  if (isDeleted(tenant) && !OF_DELETED.has(kind))
    throw new TenantDeletedError(`tenant ${tenant.id} is ${tenant.status}`)
}

/** @throws {PreconditionFailedError} where an operation that runs has the tenant. */
export async function refuseHeld(parts: LifecycleParts, tenant: TenantRecord): Promise<void> {
  if (tenant.operation === null) return
  const other = await parts.registry.find('operation', tenant.operation)
  if (other?.record.state === 'running') throw underWay(other.record)
}

export function underWay(record: OperationRecord): PreconditionFailedError {
  const { id, kind, tenant } = record
  const whose = tenant === null ? '' : ` of tenant ${tenant}`
  const advice = isHeld(record)
    ? `Wait for it: tenantry operation show ${id}`
    : `Its process is gone. Go on with it: tenantry operation resume ${id}`
  return new PreconditionFailedError(`Operation ${id} (${kind})${whose} is under way. ${advice}`)
}
