import type { OperationRecord } from '../../registry/operation-record.ts'
import { isHeld } from './operation-hold.ts'

/** An operation as an operator sees it: without what its steps hand to each other. */
export interface OperationView {
  readonly id: string
  readonly kind: OperationRecord['kind']
  readonly tenant: string | null
  readonly from: string | null
  readonly to: string | null
  readonly stepsDone: readonly string[]
  readonly progress: OperationRecord['progress']
  /** `abandoned`: running on record, and its process has not been heard of for a while. Another may go on with it. */
  readonly state: OperationRecord['state'] | 'abandoned'
  readonly error: string | null
  readonly actor: string
  readonly startedAt: string
  readonly updatedAt: string
}

export function viewOperation(record: OperationRecord): OperationView {
  const { id, kind, tenant, from, to, stepsDone, progress, error, actor, startedAt, updatedAt } = record
  const state = record.state === 'running' && !isHeld(record) ? 'abandoned' : record.state
  return { id, kind, tenant, from, to, stepsDone, progress, state, error, actor, startedAt, updatedAt }
}
