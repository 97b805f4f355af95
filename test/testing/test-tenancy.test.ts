import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { drizzle } from 'drizzle-orm/postgres-js'
import { migrate } from 'drizzle-orm/postgres-js/migrator'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { Sql } from '../../src/connection/sql.ts'
import { createTestTenancy, type TestTenancy } from '../../src/testing/test-tenancy.ts'
import { randomName } from '../lifecycle/ground.ts'
import { sharedPostgres } from '../support/postgres.ts'

const SCHEMA = `
  create table projects (id bigint generated always as identity primary key, name text not null);
  insert into projects (name) values ('of the schema');`

const server = sharedPostgres()
/** Databases and roles of ours: other files of tests have some, too. */
const named = async (like: string) => {
  const rows = await server.query<{ name: string }>(
    'select datname as name from pg_database where datname like $1 union all select rolname from pg_roles where rolname like $1',
    [`tenantry\\_test\\_${like}`],
  )
  return rows.map(({ name }) => name)
}
const names = async (tenancy: TestTenancy, tenant: string) =>
  (await tenancy.sql(tenant)<{ name: string }[]>`select name from projects order by id`).map(
    ({ name }) => name,
  )

let tenancy: TestTenancy
beforeAll(async () => {
  tenancy = await createTestTenancy({ server: server.dsn(), schema: SCHEMA, tenants: ['acme', 'globex'] })
})
afterAll(() => tenancy.close())

describe('createTestTenancy', () => {
  it('gives each tenant the tables and rows of the schema, and lets it write them for itself alone', async () => {
    await tenancy.sql('acme')`insert into projects (name) values ('of acme')`
    expect(await names(tenancy, 'acme')).toEqual(['of the schema', 'of acme'])
    expect(await names(tenancy, 'globex')).toEqual(['of the schema'])
  })

  it('lets no role change tables, or into the database of another', async () => {
    await expect(tenancy.sql('acme')`create table mine (id int)`).rejects.toThrow('permission denied')
    await expect(tenancy.sql('acme')`create temporary table mine (id int)`).rejects.toThrow(
      'permission denied',
    )
    const [place] = await tenancy.sql('acme')<{ role: string }[]>`select current_user as role`
    const [other] = await tenancy.sql('globex')<{ name: string }[]>`select current_database() as name`
    const [may] = await server.query(`select has_database_privilege($1, $2, 'CONNECT') as enter`, [
      place?.role,
      other?.name,
    ])
    expect(may).toEqual({ enter: false })
  })

  it('lets no role into the template, where what one wrote would be copied for all', async () => {
    const own = await Promise.all(
      ['acme', 'globex'].map(async (tenant) => {
        const [row] = await tenancy.sql(tenant)<{ role: string }[]>`select current_user as role`
        return row?.role ?? ''
      }),
    )
    const run = /^tenantry_test_\d+_/.exec(own[0] ?? '')?.[0]
    const may = await server.query(
      `select distinct role, has_database_privilege(role, d.oid, 'CONNECT') as enter
         from pg_stat_activity a cross join unnest($2::text[]) as role
         join pg_database d on d.datname = 'tenantry_test_template_' || right(a.application_name, 16)
        where starts_with(a.application_name, $1) order by role`,
      [run, own],
    )
    expect(may).toEqual(own.map((role) => ({ role, enter: false })))
  })

  it('takes tenants with names as long as they may be, also two that begin alike', async () => {
    const tenants = ['a', 'b'].map((end) => `${'x'.repeat(39)}${end}`)
    await using long = await createTestTenancy({ server: server.dsn(), schema: SCHEMA, tenants })
    await long.sql(tenants[0] ?? '')`insert into projects (name) values ('of the first')`
    expect(await names(long, tenants[1] ?? '')).toEqual(['of the schema'])
  })

  it('has the rows of the schema again after a reset, and numbers them from where they began', async () => {
    await tenancy.sql('globex')`insert into projects (name) values ('gone soon')`
    await tenancy.reset()
    expect(await names(tenancy, 'globex')).toEqual(['of the schema'])
    const [made] = await tenancy.sql('globex')`insert into projects (name) values ('next') returning id`
    expect(made).toEqual({ id: '2' })
  })

  it('says whose lease a test did not give back', async () => {
    const held = await tenancy.router.lease('acme')
    await expect(tenancy.reset()).rejects.toThrow('still holds a lease of acme')
    held.release()
    await tenancy.reset()
    expect(await names(tenancy, 'acme')).toEqual(['of the schema'])
  })

  it('makes the template of a text once, also for two who ask at once, and leaves nothing but that', async () => {
    const schema = `create table made_once (at timestamptz default clock_timestamp());
      insert into made_once default values -- ${randomName('text')}`
    const madeAt = async () => {
      await using another = await createTestTenancy({ server: server.dsn(), schema, tenants: ['once'] })
      const [row] = await another.sql('once')<{ at: string }[]>`select at::text from made_once`
      return row?.at
    }
    const [first, second] = await Promise.all([madeAt(), madeAt()])
    expect(first).toBeDefined()
    expect([second, await madeAt()]).toEqual([first, first])
    expect(await named('%\\_once')).toEqual([])
  })

  it('keeps the newest templates, and one that is in use however old it is', async () => {
    const schema = `create table old_one (id int) -- ${randomName('text')}`
    await using user = await createTestTenancy({ server: server.dsn(), schema, tenants: ['user'] })
    const templates = Array.from({ length: 9 }, (_, at) => `tenantry_test_template_00000000000000f${at}`)
    for (const template of templates) await server.createDatabase(template)
    await using _next = await createTestTenancy({ server: server.dsn(), tenants: ['next'] })
    const left = await named('template\\_00000000000000f_')
    expect(left).not.toContain(templates[0])
    expect(left).toContain(templates[8])
    await user.reset()
    expect(await user.sql('user')`select * from old_one`).toEqual([])
    for (const template of templates) await server.dropDatabase(template)
  })

  it('drops what a run that was killed has left, and nothing of one that runs', async () => {
    const killed = 'tenantry_test_1000000001_acme'
    await server.createRole(killed, 'pw')
    await server.createDatabase(killed)
    await tenancy.reset() // nobody is in there now, but it is in use
    await using _another = await createTestTenancy({ server: server.dsn(), tenants: ['acme'] })
    expect(await named('1000000001%')).toEqual([])
    expect(await names(tenancy, 'acme')).toEqual(['of the schema'])
  })

  it('takes a function that makes the tables, as the migrator of Drizzle', async () => {
    const migrationsFolder = mkdtempSync(join(tmpdir(), 'tenantry-migrations-'))
    mkdirSync(join(migrationsFolder, 'meta'))
    const entry = { idx: 0, version: '7', when: 1_700_000_000_000, tag: '0000_first', breakpoints: true }
    const journal = { version: '7', dialect: 'postgresql', entries: [entry] }
    writeFileSync(join(migrationsFolder, 'meta/_journal.json'), JSON.stringify(journal))
    writeFileSync(join(migrationsFolder, '0000_first.sql'), SCHEMA)
    const schema = (sql: Sql) => migrate(drizzle(sql), { migrationsFolder })
    try {
      await using migrated = await createTestTenancy({ server: server.dsn(), schema, tenants: ['acme'] })
      expect(await names(migrated, 'acme')).toEqual(['of the schema'])
    } finally {
      rmSync(migrationsFolder, { recursive: true })
    }
  })

  it('leaves nothing on the server when the schema is at fault', async () => {
    const schema = 'create table half (id int); create table half (id int)'
    const made = createTestTenancy({ server: server.dsn(), schema, tenants: ['acme'] })
    await expect(made).rejects.toThrow('already exists')
    // Another file may be making one just now.
    await vi.waitFor(async () => expect(await named('%\\_template')).toEqual([]), 10_000)
  })

  it('works with a role that may make databases and roles, and refuses one that may not', async () => {
    const role = randomName('test_admin')
    await server.createRole(role, 'pw', 'createdb createrole')
    try {
      const dsn = server.dsn('postgres', role, 'pw')
      const schema = `${SCHEMA} select 'as no superuser'`
      await using modest = await createTestTenancy({ server: dsn, schema, tenants: ['acme'] })
      await modest.reset()
      expect(await names(modest, 'acme')).toEqual(['of the schema'])
      await modest.close()
      await server.execute(`alter role ${role} nocreatedb`)
      await expect(createTestTenancy({ server: dsn, tenants: ['acme'] })).rejects.toThrow(
        'CREATEDB and CREATEROLE',
      )
    } finally {
      const owned = await server.query<{ name: string }>(
        'select datname as name from pg_database where pg_get_userbyid(datdba) = $1',
        [role],
      )
      for (const { name } of owned) await server.dropDatabase(name)
      await server.dropRole(role)
    }
  })

  it('starts a Postgres of its own where none is given, a further one where that is in use, and ends both', async () => {
    await using one = await createTestTenancy({ schema: SCHEMA, tenants: ['acme'] })
    await using two = await createTestTenancy({ schema: SCHEMA, tenants: ['acme'] })
    const portOf = async (of: TestTenancy) => {
      const [row] = await of.sql('acme')<{ port: number }[]>`select inet_server_port() as port`
      return row?.port
    }
    expect(await names(one, 'acme')).toEqual(['of the schema'])
    expect(await names(two, 'acme')).toEqual(['of the schema'])
    const ports = [await portOf(one), await portOf(two)]
    expect(new Set(ports).size).toBe(2)
    await Promise.all([one.close(), two.close()])
    for (const port of ports) await expect(fetch(`http://127.0.0.1:${port}`)).rejects.toThrow('fetch failed')
  })

  it("makes API keys that are a tenant's own", async () => {
    const key = await tenancy.apiKey('acme')
    const [, id = ''] = key.split('_')
    const entry = await tenancy.router.registry.find('key', id)
    expect(entry?.record.scope).toMatchObject({ kind: 'tenant', tenant: 'acme' })
  })
})
