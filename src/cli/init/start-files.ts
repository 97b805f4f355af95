import { join } from 'node:path'
import { generateMasterKey } from '../../registry/master-keys.ts'
import type { NewFile } from './write-new.ts'

/** For their owner only. */
const PRIVATE = 0o600

/** New keys, and settings that name them. */
export function startFiles(folder: string): {
  readonly files: readonly NewFile[]
  readonly settings: string
  readonly masterKey: string
  readonly adminKey: string
} {
  const settings = join(folder, 'tenantry.env')
  const masterKey = join(folder, 'tenantry-master.key')
  const adminKey = join(folder, 'tenantry-admin.key')
  const files = [
    { path: 'tenantry-master.key', text: `${generateMasterKey().reveal()}\n`, mode: PRIVATE },
    { path: 'tenantry-admin.key', text: `${generateMasterKey().reveal()}\n`, mode: PRIVATE },
    { path: 'tenantry.env', text: settingsText(folder, masterKey, adminKey), mode: PRIVATE },
  ]
  return { files, settings, masterKey, adminKey }
}

function settingsText(folder: string, masterKey: string, adminKey: string): string {
  return `# Settings of Tenantry; every other one has a default (docs/configuration.md).
TENANTRY_REGISTRY_URL="file:${join(folder, 'registry.yaml')}"
# Opens the passwords of tenants: for every process that serves them.
TENANTRY_MASTER_KEY_FILE="${masterKey}"
# Opens the passwords of servers' admins: only for processes that make tenants.
TENANTRY_ADMIN_KEY_FILE="${adminKey}"
# Connections to all database servers together.
TENANTRY_MAX_CONNECTIONS=100
`
}
