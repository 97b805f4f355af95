import type { Command } from 'commander'
import { InvalidRequestError, SealingFailedError } from '../errors.ts'
import type { LifecycleParts } from '../lifecycle/parts.ts'
import { AuditKey } from '../registry/audit/audit-key.ts'
import { type KeyProvider, MasterKeys } from '../registry/master-keys.ts'
import { openRegistry } from '../registry/open-registry.ts'
import { Sealer } from '../registry/sealing.ts'
import type { Secret } from '../secret.ts'
import { actorName } from './actor.ts'
import { type CommandLine, globalsOf } from './command-line.ts'
import { settingsFor } from './settings.ts'

/** Runs a verb directly on the registry that the settings name, and closes it again. */
export async function withParts<T>(
  cli: CommandLine,
  command: Command,
  work: (parts: LifecycleParts, actor: string) => Promise<T>,
): Promise<T> {
  const settings = settingsFor(cli, globalsOf(command))
  if (settings.registryUrl === undefined) {
    throw new InvalidRequestError('no registry: set TENANTRY_REGISTRY_URL or give --registry URL')
  }
  const keys = settings.masterKey && MasterKeys.fromText(settings.masterKey)
  const auditKey = keys && new AuditKey(keys)
  const { migrate } = settings
  await using registry = await openRegistry(settings.registryUrl, { auditKey, migrate })
  const sealer = new Sealer(keys ?? withoutKey)
  const { scramIterations, router } = settings
  const { maxConnectionsPerTenant } = router
  const parts = {
    registry,
    sealer,
    adminSealer: adminSealer(settings.adminKey),
    auditKey,
    scramIterations,
    maxConnectionsPerTenant,
  }
  return await work(parts, `cli:${actorName()}`)
}

function adminSealer(key: Secret | undefined): Sealer | undefined {
  return key && new Sealer(MasterKeys.fromText(key))
}

/** Verbs that seal and open nothing run without a master key. */
const withoutKey: KeyProvider = {
  get activeKid() {
    return refuse()
  },
  wrap: () => refuse(),
  unwrap: () => refuse(),
}

function refuse(): never {
  throw new SealingFailedError(
    'this needs the master key: set TENANTRY_MASTER_KEY or TENANTRY_MASTER_KEY_FILE',
  )
}
