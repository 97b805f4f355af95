import type { AuditKey } from '../registry/audit/audit-key.ts'
import type { AuditEntry, Registry } from '../registry/registry.ts'
import type { Sealer } from '../registry/sealing.ts'
import type { OperationView } from './operation/operation-view.ts'

/** What every verb works with. */
export interface LifecycleParts {
  readonly registry: Registry
  /** Seals and opens tenants' passwords. */
  readonly sealer: Sealer
  /** Seals and opens admin passwords; undefined in a process that serves tenants and makes none. */
  readonly adminSealer: Sealer | undefined
  /** Verifies the audit; undefined in a process without the master key. */
  readonly auditKey?: AuditKey | undefined
  /** Of the verifiers of the router's own login roles. Default: 4096. */
  readonly scramIterations?: number
  /** That one process opens to a tenant, at most; CONNECTION LIMIT of login roles follows it. Default: 10. */
  readonly maxConnectionsPerTenant?: number
  /** Told of each step of a saga that ran, before the registry keeps it as done. What it throws ends the saga there. */
  readonly onStep?: (step: { readonly tenant: string; readonly name: string }) => Promise<void> | void
  /** Told of each operation of this process as it begins, goes on and ends. */
  readonly onProgress?: (operation: OperationView) => void
  /** Nobody else can be at an operation: those that run on record are of processes that are gone. */
  readonly isAlone?: boolean
  /** Milliseconds for which an operation is this process's after it was last heard of. Default: 15,000. */
  readonly holdMs?: number
}

export function auditEntry(
  actor: string,
  action: string,
  target: string,
  detail: AuditEntry['detail'] = {},
): AuditEntry {
  return { actor: actor.slice(0, 128), action, target, at: now(), detail }
}

/** As records hold time. */
export function now(): string {
  return new Date().toISOString()
}
