import { AuditKey } from '../registry/audit/audit-key.ts'
import { MasterKeys } from '../registry/master-keys.ts'
import { Sealer } from '../registry/sealing.ts'
import type { Secret } from '../secret.ts'
import type { LifecycleParts } from './parts.ts'

/**
 * What a process with these keys seals and opens.
 * @throws {InvalidConfigError}
 */
export function ownKeys(
  masterKey: Secret,
  adminKey: Secret | undefined,
): Pick<LifecycleParts, 'sealer' | 'adminSealer' | 'auditKey'> {
  const keys = MasterKeys.fromText(masterKey)
  return {
    sealer: new Sealer(keys),
    auditKey: new AuditKey(keys),
    adminSealer: adminKey && new Sealer(MasterKeys.fromText(adminKey)),
  }
}
