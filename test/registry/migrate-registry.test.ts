import { access, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { readServiceSettings } from '../../src/config.ts'
import { RegistryTooOldError } from '../../src/errors.ts'
import { generateMasterKey } from '../../src/registry/master-keys.ts'
import { migrateRegistry } from '../../src/registry/migrate-registry.ts'
import { startService } from '../../src/server.ts'
import { openLog } from '../../src/telemetry/log.ts'
import { Terminal } from '../cli/terminal.ts'
import { sharedPostgres } from '../support/postgres.ts'
import { newAuditKey, verdictOn } from './conformance-trail.ts'
import { newManagementDatabase } from './management-database.ts'
import { MIGRATIONS } from './migration-files.ts'
import { change, tenant } from './records.ts'

const to = MIGRATIONS.length
const first = new URL('../../registry/postgres/001-registry.sql', import.meta.url)

describe('migrating a registry in Postgres', () => {
  it('tells first, then does it, and finds nothing to do after that', async () => {
    await using database = await newManagementDatabase()
    const url = sharedPostgres().dsn(database.name)
    const whole = { backend: 'postgres', from: 0, to, readableFrom: 1, steps: MIGRATIONS }
    expect(await migrateRegistry(url, true)).toEqual(whole)
    expect(await migrateRegistry(url, true)).toEqual(whole)
    expect(await migrateRegistry(url, false)).toEqual(whole)
    expect(await migrateRegistry(url, false)).toEqual({ ...whole, from: to, steps: [] })
  })

  it('takes a registry of the version before on, with what is in it', async () => {
    await using database = await newManagementDatabase()
    await database.query(await readFile(first, 'utf8'))
    const record = JSON.stringify([{ ...tenant('acme'), tenant: null }])
    const old = `select tenantry_registry.commit_1($1::text::jsonb, '[]', '[{"kind":"tenant","id":"acme","revision":0}]',
      '{"actor":"a","action":"tenant.register","target":"acme","at":"2026-01-01T00:00:00Z","detail":{}}', 10)`
    await database.query(old, [record])
    const url = sharedPostgres().dsn(database.name)
    const told = await new Terminal({}).run(['registry', 'migrate', '--registry', url, '--dry-run'])
    expect(told.out).toContain(`processes that know schema 1 go on beside those that know ${to}`)
    expect(await migrateRegistry(url, false)).toMatchObject({ from: 1, to, steps: MIGRATIONS.slice(1) })
    const auditKey = newAuditKey()
    await using registry = await database.open({ auditKey, migrate: false })
    expect(await registry.tenantsByServer()).toEqual(new Map([['main', 1]]))
    await change(registry, tenant('acme', { epoch: 2 }))
    expect(await verdictOn(registry, auditKey)).toMatchObject({
      entries: 2,
      sealed: 1,
      fault: { kind: 'unsealed' },
    })
  })

  it('is left to the operator where he wants so: nothing opens until it is done', async () => {
    await using database = await newManagementDatabase()
    const variables = {
      TENANTRY_REGISTRY_URL: sharedPostgres().dsn(database.name),
      TENANTRY_REGISTRY_MIGRATE: 'by-hand',
      TENANTRY_MASTER_KEY: generateMasterKey().reveal(),
      TENANTRY_PORT: '0',
      TENANTRY_OPS_PORT: '0',
    }
    const terminal = new Terminal(variables)
    const serve = () => startService(readServiceSettings(variables), { log: openLog('silent') })
    await expect(serve()).rejects.toBeInstanceOf(RegistryTooOldError)
    const refused = { code: 1, err: expect.stringMatching(/run `tenantry registry migrate`/) }
    expect(await terminal.run(['tenant', 'list'])).toMatchObject(refused)
    expect(await database.query(`select from pg_namespace where nspname = 'tenantry_registry'`)).toEqual([])
    const migrated = await terminal.run(['registry', 'migrate'])
    expect(migrated).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^schema 0 -> \d+: applied: 001-registry/),
    })
    expect((await terminal.run(['tenant', 'list'])).code).toBe(0)
    await (await serve()).close()
  })
})

describe('migrating a registry file', () => {
  it('makes it where there is none, and is else already done', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tenantry-migrate-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const path = join(folder, 'registry.yaml')
    const made = { backend: 'file', from: 0, to: 1, readableFrom: 1, steps: ['new'] }
    expect(await migrateRegistry(`file:${path}`, true)).toEqual(made)
    await expect(access(path)).rejects.toThrow('ENOENT')
    expect(await migrateRegistry(`file:${path}`, false)).toEqual(made)
    expect(await migrateRegistry(`file:${path}`, false)).toEqual({ ...made, from: 1, steps: [] })
  })
})
