import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { provisionTenant } from '../../src/lifecycle/provision/provision-tenant.ts'
import { addServer } from '../../src/lifecycle/server/add-server.ts'
import { generateMasterKey, MasterKeys } from '../../src/registry/master-keys.ts'
import { openRegistry } from '../../src/registry/open-registry.ts'
import { Sealer } from '../../src/registry/sealing.ts'
import { type OwnPostgresServer, startPostgres } from '../support/postgres.ts'
import { readText } from './manifests.ts'

const PASSWORD = 'of both, in this test'

/** As psql would run it, which reads the passwords from files: the commands of its own are done here. */
function asPlainSql(script: string): string[] {
  return script
    .split('\n')
    .filter((line) => !/^(?:\\set|--)/.test(line))
    .join('\n')
    .replaceAll(/:'\w+_password'/g, pg.escapeLiteral(PASSWORD))
    .split(/;\n/)
    .map((statement) => statement.trim())
    .filter(Boolean)
}

let server: OwnPostgresServer
beforeAll(async () => {
  server = await startPostgres({ version: 18, settings: { max_connections: '100' } }) // the image's default
  for (const statement of asPlainSql(readText('deploy/postgres-init.sql'))) await server.execute(statement)
})
afterAll(() => server[Symbol.asyncDispose]())

describe('the database that the compose file sets up', () => {
  it('takes the registry, and provisions a tenant through an admin who is no superuser', async () => {
    await using registry = await openRegistry(server.dsn('tenantry', 'tenantry_registry', PASSWORD))
    const sealer = () => new Sealer(MasterKeys.fromText(generateMasterKey()))
    const parts = { registry, sealer: sealer(), adminSealer: sealer() }
    const dsn = server.dsn('postgres', 'tenantry_admin', PASSWORD)
    const { warnings, server: main } = await addServer(parts, { id: 'main', dsn }, 'test')
    expect(warnings).toEqual([])
    const wanted = /TENANTRY_MAX_CONNECTIONS: (\d+)/.exec(readText('docker-compose.yml'))?.[1]
    expect(Number(wanted)).toBe(main.budget.maxConnections)
    const { tenant } = await provisionTenant(parts, { id: 'acme' }, 'test')
    expect(tenant).toMatchObject({ status: 'active', isolation: { isolated: true, findings: [] } })
  })

  it('lets neither role into what is the other’s', async () => {
    const into = (database: string, role: string) =>
      new pg.Client(server.dsn(database, role, PASSWORD)).connect()
    await expect(into('tenantry', 'tenantry_admin')).rejects.toMatchObject({ code: '42501' })
    await expect(into('postgres', 'tenantry_registry')).rejects.toMatchObject({ code: '42501' })
  })
})
