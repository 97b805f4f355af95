import { randomUUID } from 'node:crypto'
import type { OperationKind, OperationRecord } from '../../registry/operation-record.ts'
import type { AuditEntry, Entry } from '../../registry/registry.ts'
import type { TenantRecord } from '../../tenant/tenant-record.ts'
import { type LifecycleParts, now } from '../parts.ts'
import { holder } from './operation-hold.ts'

export interface Beginning {
  /** A uuid, where another record in the same commit is to name it. */
  readonly id?: string
  readonly kind: OperationKind
  /** As it was read, or, with revision 0, as it is to be made. */
  readonly tenant?: Entry<'tenant'>
  readonly change?: Partial<TenantRecord>
  readonly from?: string
  readonly to?: string
  readonly data?: Record<string, unknown>
  readonly progress?: { readonly done: number; readonly total: number }
  readonly detail?: AuditEntry['detail']
}

/** As it is on record first. */
export function newRecord(
  { id, kind, tenant, from, to, data, progress }: Beginning,
  parts: LifecycleParts,
  actor: string,
): OperationRecord {
  const at = now()
  return {
    id: id ?? randomUUID(),
    kind,
    tenant: tenant?.record.id ?? null,
    from: from ?? null,
    to: to ?? null,
    stepsDone: [],
    progress: progress ?? null,
    data: data ?? {},
    state: 'running',
    error: null,
    actor: actor.slice(0, 128),
    holder: holder(parts),
    startedAt: at,
    updatedAt: at,
  }
}
