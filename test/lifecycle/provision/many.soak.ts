import { expect, it } from 'vitest'
import { provisionTenant } from '../../../src/lifecycle/provision/provision-tenant.ts'
import { addServer } from '../../../src/lifecycle/server/add-server.ts'
import { generateMasterKey, MasterKeys } from '../../../src/registry/master-keys.ts'
import { openRegistry } from '../../../src/registry/open-registry.ts'
import { Sealer } from '../../../src/registry/sealing.ts'
import { Secret } from '../../../src/secret.ts'
import { startPostgres } from '../../support/postgres.ts'

const TENANTS = 1_000
const AT_ONCE = 8

it('makes 1,000 tenants in one run without a failure', async () => {
  await using server = await startPostgres({ version: 18 })
  await server.createRole('maker', 'pw', 'createdb createrole')
  await server.createDatabase('registry')
  await using registry = await openRegistry(new Secret(server.dsn('registry')))
  const sealer = () => new Sealer(MasterKeys.fromText(generateMasterKey()))
  const parts = { registry, sealer: sealer(), adminSealer: sealer(), scramIterations: 1 }
  await addServer(parts, { id: 'main', dsn: server.dsn('postgres', 'maker', 'pw') }, 'test')

  const begun = performance.now()
  const left = Array.from({ length: TENANTS }, (_, n) => `tenant-${n}`)
  const worker = async () => {
    for (let id = left.shift(); id !== undefined; id = left.shift()) {
      await provisionTenant(parts, { id }, 'test')
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  const seconds = (performance.now() - begun) / 1_000
  process.stdout.write(`${TENANTS} tenants: ${(TENANTS / seconds).toFixed(1)} a second\n`)

  const { entries } = await registry.list('tenant', undefined, { limit: TENANTS, status: 'active' })
  expect(entries).toHaveLength(TENANTS)
})
