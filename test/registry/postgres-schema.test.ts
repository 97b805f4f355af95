import { randomUUID } from 'node:crypto'
import { describe, expect, it, vi } from 'vitest'
import { RegistryTooNewError, RegistryUnavailableError } from '../../src/errors.ts'
import { listStatement } from '../../src/registry/postgres/entry-statements.ts'
import { PostgresRegistry } from '../../src/registry/postgres/postgres-registry.ts'
import { Secret } from '../../src/secret.ts'
import { sharedPostgres } from '../support/postgres.ts'
import { Followed } from './followed.ts'
import { newManagementDatabase } from './management-database.ts'
import { MIGRATIONS } from './migration-files.ts'
import { audit, create, tenant } from './records.ts'

const within5s = { timeout: 5_000, interval: 20 }

describe('the schema of a registry in Postgres', () => {
  it('works on the oldest supported server too', async () => {
    await using database = await newManagementDatabase(15)
    await using registry = await database.open()
    await using followed = new Followed(registry)
    await vi.waitFor(() => expect(followed.resets).toBe(1), within5s)
    await create(registry, tenant('acme', { labels: { plan: 'pro' } }))
    const page = await registry.list('tenant', undefined, { labels: { plan: 'pro' }, status: 'active' })
    expect(page.entries.map(({ id }) => id)).toEqual(['acme'])
    await vi.waitFor(() => expect(followed.names()).toEqual(['tenant acme']), within5s)
  })

  it('is made once by many processes that start together', async () => {
    await using database = await newManagementDatabase()
    const opened = await Promise.all(Array.from({ length: 5 }, () => database.open()))
    expect(new Set(opened.map(({ id }) => id)).size).toBe(1)
    await Promise.all(opened.map((registry) => registry.close()))
    expect(await database.query('select version from tenantry_registry.migration order by version')).toEqual(
      MIGRATIONS.map((_, index) => ({ version: index + 1 })),
    )
  })

  it('needs no right to create once it is there', async () => {
    await using database = await newManagementDatabase()
    await (await database.open()).close()
    const role = `r-${randomUUID().slice(0, 8)}`
    await sharedPostgres().createRole(role, 'pw')
    try {
      await database.query(`grant usage on schema tenantry_registry to "${role}"`)
      await database.query(`grant select on all tables in schema tenantry_registry to "${role}"`)
      const dsn = new Secret(sharedPostgres().dsn(database.name, role, 'pw'))
      await using registry = await PostgresRegistry.open(dsn)
      expect(await registry.find('tenant', 'acme')).toBeUndefined()
      await expect(create(registry, tenant('acme'))).rejects.toBeInstanceOf(RegistryUnavailableError)
    } finally {
      await database.query(`drop owned by "${role}"`)
      await sharedPostgres().dropRole(role)
    }
  })

  it('of a newer version is refused, unless that says it can be read', async () => {
    await using database = await newManagementDatabase()
    await (await database.open()).close()
    const upgrade = 'insert into tenantry_registry.migration (version, readable_from) values ($1, $2)'
    const known = MIGRATIONS.length
    await database.query(upgrade, [known + 1, 1])
    await using registry = await database.open()
    expect(await registry.nextGeneration()).toBe(1)
    await database.query(upgrade, [known + 2, known + 2])
    await expect(database.open()).rejects.toBeInstanceOf(RegistryTooNewError)
  })

  it('keeps an audit that only grows, in the transaction of the change', async () => {
    await using database = await newManagementDatabase()
    await using registry = await database.open()
    const [revision] = await create(registry, tenant('acme'))
    await create(registry, tenant('acme')).catch(() => {}) // a conflict: no change, no audit
    const rows = await database.query(
      'select revision::int, actor, action, target, detail from tenantry_registry.audit',
    )
    expect(rows).toEqual([
      { revision, actor: audit.actor, action: audit.action, target: audit.target, detail: {} },
    ])
    for (const attempt of ['update %s set actor = $$x$$', 'delete from %s', 'truncate %s']) {
      const statement = attempt.replace('%s', 'tenantry_registry.audit')
      await expect(database.query(statement)).rejects.toMatchObject({ code: '42501' })
    }
  })

  it('cuts its change log to what it may hold', async () => {
    await using database = await newManagementDatabase()
    await using registry = await database.open({ maxChanges: 4 })
    for (let i = 0; i < 9; i++) await create(registry, tenant(`t${i}`))
    const rows = await database.query('select id from tenantry_registry.change order by revision')
    expect(rows.map(({ id }) => id)).toEqual(['t5', 't6', 't7', 't8'])
  })

  it('finds pages of many tenants by its indexes', async () => {
    await using database = await newManagementDatabase()
    await using registry = await database.open()
    await database.query(
      `insert into tenantry_registry.entry (kind, id, revision, labels, record)
       select 'tenant', 'n' || n, 1,
         array[case when n % 1000 = 0 then 'plan=rare' else 'plan=common' end, 'cohort=c' || n % 100],
         $1::jsonb || jsonb_build_object('id', 'n' || n,
           'status', case when n % 1000 = 0 then 'suspended' else 'active' end,
           'route', $1::jsonb -> 'route' || jsonb_build_object('database', 'd' || n / 2, 'role', 'r' || n,
             'server', case when n % 1000 = 0 then 'rare' else 'main' end))
       from generate_series(1, 20000) n`,
      [JSON.stringify(tenant('n').record)],
    )
    await database.query('vacuum analyze tenantry_registry.entry')
    for (const [filter, literal, index] of [
      [{ status: 'suspended' }, "'suspended'", 'entry_by_status'],
      [{ server: 'rare' }, "'rare'", 'entry_by_server'],
      [{ labels: { plan: 'rare' } }, "'{plan=rare}'", 'entry_by_labels'],
      [
        { labels: { cohort: 'c7' }, limit: 20 },
        "'{cohort=c7}'",
        'Index Only Scan using entry_ids_with_labels',
      ],
    ] as const) {
      const { statement } = listStatement('tenant', undefined, filter)
      const explained = await database.query(
        `explain ${statement.text.replace('$1', literal).replace('$2', '21')}`,
      )
      expect(JSON.stringify(explained)).toContain(index)
      expect((await registry.list('tenant', undefined, filter)).entries).toHaveLength(20)
    }
    const clusters = [{ systemIdentifier: '7000', serverAddress: '10.0.0.1:5432' }]
    const having = {
      databases: ['d500', 'made'],
      roles: ['r2000', 'r2001'],
      databaseOids: [7],
    }
    const near = { servers: ['main'], clusters, provisioned: ['made'], having }
    const { statement } = listStatement('tenant', undefined, { near })
    const explained = JSON.stringify(
      await database.query(`explain ${statement.text}`, [...(statement.params ?? [])]),
    )
    for (const part of ['database', 'role', 'identifier', 'address'])
      expect(explained).toContain(`entry_by_${part}`)
    expect(explained).not.toContain('Seq Scan')
    expect((await registry.list('tenant', undefined, { near })).entries.map(({ id }) => id)).toEqual([
      'n1001',
      'n2001',
    ])
  })
})
