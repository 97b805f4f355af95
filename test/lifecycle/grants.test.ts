import { describe, expect, it } from 'vitest'
import { provisionTenant } from '../../src/lifecycle/provision/provision-tenant.ts'
import { LifecycleGround, sqlstateOf } from './ground.ts'

const SCHEMA = 'create table projects (id int generated always as identity, name text)'

/** `%d`, `%r`, `%o`: the tenant's database, its login role, the role that owns it all. */
const OWNER_POWERS = [
  'alter database "%d" connection limit 5',
  'alter database "%d" set statement_timeout to 0',
  'alter database "%d" owner to "%r"',
  'alter database "%d" rename to mine',
  'alter database "%d" with allow_connections false',
  'alter database "%d" with is_template true',
  'alter database "%d" set tablespace pg_default',
  'alter database "%d" reset all',
  'alter database "%d" refresh collation version',
  'drop database "%d"',
  'drop owned by "%o"',
  'reassign owned by "%o" to "%r"',
  'create schema mine',
  'create table mine (id int)',
  'create temporary table mine (id int)',
  'create function mine() returns int language sql as $$ select 1 $$',
  'create extension pgcrypto',
  'create event trigger mine on ddl_command_start execute function mine()',
  'alter table projects add column more text',
  'drop table projects',
  'truncate projects',
  'create index on projects (name)',
  "insert into tenantry.stamp values ('globex', 1, gen_random_uuid(), 'live')",
  "update tenantry.stamp set state = 'moved'",
  'delete from tenantry.stamp',
  'drop table tenantry.stamp',
  'create role mine',
  'alter role "%o" login',
  'alter role "%r" createdb',
  'grant "%o" to "%r"',
  'set role "%o"',
  "copy projects from program 'true'",
  "select pg_read_file('postgresql.conf')",
]

describe.each([15, 18] as const)('the logins of provisioned tenants on Postgres %i', (version) => {
  it('have rows, and none of the powers of an owner', async () => {
    await using ground = await LifecycleGround.withServer(version)
    await provisionTenant(ground.parts, { id: 'acme', schema: SCHEMA }, 'test')
    const { database, role } = (await ground.tenant('acme')).route
    const client = await ground.connect('acme')
    await client.query("insert into projects (name) values ('x')")
    await client.query('update projects set name = name')
    await client.query('delete from projects')
    const held: string[] = []
    for (const power of OWNER_POWERS) {
      const text = power
        .replaceAll('%d', database)
        .replaceAll('%r', role)
        .replaceAll('%o', `${database}_owner`)
      const sqlstate = await sqlstateOf(client.query(text))
      // 42883: the function of the event trigger could not be made, so it is not there.
      if (sqlstate !== '42501' && sqlstate !== '42883') held.push(`${power}: ${sqlstate}`)
    }
    expect(held).toEqual([])
    await client.query(`grant connect on database "${database}" to public`) // Postgres only warns
    const open = await client.query(
      "select has_database_privilege('public', current_database(), 'CONNECT') as open",
    )
    expect(open.rows).toEqual([{ open: false }])
    await client.end()
  })

  it('can use what the owner makes later, and the second slot has the same rights but no login yet', async () => {
    await using ground = await LifecycleGround.withServer(version)
    await provisionTenant(ground.parts, { id: 'acme' }, 'test')
    const { database } = (await ground.tenant('acme')).route
    const owner = `"${database}_owner"`
    await ground.server.execute(
      `set role ${owner}; create schema app; create table app.later (id serial, name text); create function app.f() returns int language sql as 'select 1'`,
      database,
    )
    const client = await ground.connect('acme')
    await client.query("insert into app.later (name) values ('x')")
    expect((await client.query('select id, app.f() as f from app.later')).rows).toEqual([{ id: 1, f: 1 }])
    await client.end()
    const rights = await ground.server.query(
      `select rolcanlogin as login, has_table_privilege(oid, 'app.later', 'INSERT') as insert,
         has_database_privilege(oid, current_database(), 'CONNECT') as connect from pg_roles where rolname = $1`,
      [`${database}_b`],
      database,
    )
    expect(rights).toEqual([{ login: false, insert: true, connect: true }])
  })

  it('keep a password of which the server never saw the text', async () => {
    await using ground = await LifecycleGround.withServer(version)
    await provisionTenant(ground.parts, { id: 'acme' }, 'test')
    const { role } = (await ground.tenant('acme')).route
    const rows = await ground.server.query<{ verifier: string }>(
      'select rolpassword as verifier from pg_authid where rolname = $1',
      [role],
    )
    expect(rows[0]?.verifier).toMatch(
      /^SCRAM-SHA-256\$4096:[A-Za-z0-9+/]{22}==\$[A-Za-z0-9+/]{43}=:[A-Za-z0-9+/]{43}=$/,
    )
  })
})
