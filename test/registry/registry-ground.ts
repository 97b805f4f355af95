import type { AuditKey } from '../../src/registry/audit/audit-key.ts'
import type { Registry } from '../../src/registry/registry.ts'

/** One registry of its own, empty at first, and as many replicas of it as a test opens. */
export interface RegistryGround extends AsyncDisposable {
  open(options?: { readonly maxChanges?: number; readonly auditKey?: AuditKey }): Promise<Registry>
}
