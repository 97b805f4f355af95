import type { AuditEntry, Registry } from '../registry/registry.ts'
import type { Sealer } from '../registry/sealing.ts'

/** What every verb works with. */
export interface LifecycleParts {
  readonly registry: Registry
  /** Seals and opens tenants' passwords. */
  readonly sealer: Sealer
  /** Seals and opens admin passwords; undefined in a process that serves tenants and makes none. */
  readonly adminSealer: Sealer | undefined
  /** Of the verifiers of the router's own login roles. Default: 4096. */
  readonly scramIterations?: number
  /** Told of each step of a saga that ran, before the registry keeps it as done. What it throws ends the saga there. */
  readonly onStep?: (step: { readonly tenant: string; readonly name: string }) => Promise<void> | void
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
