import pg from 'pg'
import { describe, expect, it } from 'vitest'
import { openMigrationLogin } from '../../../src/lifecycle/provision/migration-login.ts'
import { provisionTenant } from '../../../src/lifecycle/provision/provision-tenant.ts'
import { LifecycleGround, sqlstateOf } from '../ground.ts'

const parts = (ground: LifecycleGround) => ({ ...ground.parts, scramIterations: 1 })

async function connectAs(login: Awaited<ReturnType<typeof openMigrationLogin>>): Promise<pg.Client> {
  const { host, port, user, password, database } = login.target
  const client = new pg.Client({ host, port, user, password: password?.reveal(), database })
  client.on('error', () => undefined)
  await client.connect()
  return client
}

describe.each([15, 18] as const)('a plan on Postgres %i', (version) => {
  it('limits both login slots, above what the service itself opens, and makes extensions that are allowed', async () => {
    await using ground = await LifecycleGround.withServer(version)
    const plan = {
      limits: { maxConnections: 3, statementTimeoutMs: 5_000 },
      settings: { idle_in_transaction_session_timeout: '1min', work_mem: '8MB' },
      extensions: ['citext' as const, 'uuid-ossp' as const],
    }
    const { tenant } = await provisionTenant(parts(ground), { id: 'acme', ...plan }, 'test')
    const roles = await ground.server.query(
      `select right(rolname, 2) as slot, rolconnlimit as connections, rolconfig as settings
         from pg_roles where rolname in ($1 || '_a', $1 || '_b') order by 1`,
      [tenant.database],
    )
    const settings = ['statement_timeout=6000', 'idle_in_transaction_session_timeout=1min', 'work_mem=8MB']
    // Three for each of four processes, and the headroom of the server.
    const limited = { connections: 15, settings: expect.arrayContaining(settings) }
    expect(roles).toEqual([
      { slot: '_a', ...limited },
      { slot: '_b', ...limited },
    ])
    const client = await ground.connect('acme')
    const { rows } = await client.query(
      `select current_setting('work_mem') as mem, 'A'::citext = 'a' as same, uuid_nil()::text as nil`,
    )
    expect(rows).toEqual([{ mem: '8MB', same: true, nil: '00000000-0000-0000-0000-000000000000' }])
    expect(await sqlstateOf(client.query('create extension hstore'))).toBe('42501')
    await client.end()
  })

  it('lets migrations in for a while, and what they make is the owner’s, who lends its rows to the runtime', async () => {
    await using ground = await LifecycleGround.withServer(version)
    const { tenant } = await provisionTenant(parts(ground), { id: 'acme' }, 'test')
    const record = await ground.tenant('acme')
    const login = await openMigrationLogin(ground.parts, record, 60_000, 'test')
    const client = await connectAs(login)
    await client.query(
      'create table later (id serial, name text); create schema app; create table app.t (id int)',
    )
    const made = await client.query(
      `select distinct tableowner as owner from pg_tables where schemaname in ('public', 'app')`,
    )
    expect(made.rows).toEqual([{ owner: `${tenant.database}_owner` }])
    await client.query('set role none')
    expect(await sqlstateOf(client.query('create table mine (id int)'))).toBe('42501')
    const runtime = await ground.connect('acme')
    await runtime.query("insert into later (name) values ('x')")
    expect(await sqlstateOf(runtime.query('alter table later add column more text'))).toBe('42501')
    await runtime.end()
    await login[Symbol.asyncDispose]()
    expect(await sqlstateOf(client.query('select 1'))).toMatch(/57P01|not queryable/)
    expect(await sqlstateOf(connectAs(login))).toBe('28P01')
  })
})

describe('a plan', () => {
  it.each([
    [{ extensions: ['dblink'] }, /dblink.* is not one of the extensions/],
    [{ settings: { session_preload_libraries: 'x' } }, /session_preload_libraries/],
    [{ settings: { work_mem: '8MB; drop table x' } }, /a size with a unit/],
    [{ connectionLimit: 0 }, /connectionLimit/],
  ])('is refused by name for %j, before anything is made', async (plan, why) => {
    await using ground = await LifecycleGround.start(18)
    const input = { id: 'acme', ...plan } as Parameters<typeof provisionTenant>[1] // as a client may send it
    await expect(provisionTenant(ground.parts, input, 'test')).rejects.toThrow(why)
  })

  it('with a limit that the admin may not set says which grant it needs, and goes on once that is there', async () => {
    await using ground = await LifecycleGround.withServer(18)
    const make = () =>
      provisionTenant(parts(ground), { id: 'acme', settings: { temp_file_limit: '64MB' } }, 'test')
    await expect(make()).rejects.toThrow('GRANT SET ON PARAMETER temp_file_limit')
    const admin = pg.escapeIdentifier(ground.admin.role)
    await ground.server.execute(`grant set on parameter temp_file_limit to ${admin}`)
    expect((await make()).tenant.status).toBe('active')
    const client = await ground.connect('acme')
    expect((await client.query('show temp_file_limit')).rows).toEqual([{ temp_file_limit: '64MB' }])
    expect(await sqlstateOf(client.query("set temp_file_limit to '-1'"))).toBe('42501')
    await client.end()
    await ground.server.execute(`revoke set on parameter temp_file_limit from ${admin}`)
  })
})
