import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from '../src/demo/free-port.ts'
import { createKey } from '../src/lifecycle/key/create-key.ts'
import { registerTenant } from '../src/lifecycle/tenant/register-tenant.ts'
import { generateMasterKey, MasterKeys } from '../src/registry/master-keys.ts'
import { openRegistry } from '../src/registry/open-registry.ts'
import { Sealer } from '../src/registry/sealing.ts'
import { type Contestant, startProcess } from './contestant.ts'
import type { Ground } from './ground.ts'
import type { BenchOptions } from './options.ts'

const CLI = fileURLToPath(new URL('../dist/cli.js', import.meta.url))
const ACTOR = 'bench'

/** The service as it is shipped, `tenantry serve`, with every tenant registered by its DSN. */
export async function tenantry(ground: Ground, options: BenchOptions, folder: string): Promise<Contestant> {
  const registryUrl = `file:${join(folder, 'registry.yaml')}`
  const masterKey = generateMasterKey()
  const key = await register(ground, registryUrl, new Sealer(MasterKeys.fromText(masterKey)))
  return {
    name: 'tenantry',
    description: `the service, budget ${options.budget}, all else at its defaults, a service key`,
    key,
    start: async () => {
      const [port, opsPort] = [await freePort(), await freePort()]
      const env = {
        NODE_ENV: 'production',
        TENANTRY_REGISTRY_URL: registryUrl,
        TENANTRY_MASTER_KEY: masterKey.reveal(),
        TENANTRY_PORT: String(port),
        TENANTRY_OPS_PORT: String(opsPort),
        TENANTRY_MAX_CONNECTIONS: String(options.budget),
      }
      const url = `http://127.0.0.1:${port}`
      return startProcess([process.execPath, CLI, 'serve'], env, url, join(folder, 'tenantry.log'))
    },
  }
}

/** Answers a service key. */
async function register(ground: Ground, registryUrl: string, sealer: Sealer): Promise<string> {
  await using registry = await openRegistry(registryUrl)
  const parts = { registry, sealer, adminSealer: undefined }
  for (const [id, { dsn }] of ground.tenants) await registerTenant(parts, { id, route: { dsn } }, ACTOR)
  const { secret } = await createKey(parts, { scope: { kind: 'service' }, name: ACTOR }, ACTOR)
  return secret.reveal()
}
