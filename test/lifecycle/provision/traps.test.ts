import { describe, expect, it } from 'vitest'
import { issueCredential } from '../../../src/lifecycle/credentials/issue-credential.ts'
import { provisionTenant } from '../../../src/lifecycle/provision/provision-tenant.ts'
import { rotateTenant } from '../../../src/lifecycle/rotate/rotate-tenant.ts'
import { targetOf } from '../../../src/registry/route.ts'
import { newManagementDatabase } from '../../registry/management-database.ts'
import { LifecycleGround, sqlstateOf } from '../ground.ts'

const SECRET = 'canary-of-globex'
const SCHEMA = 'create table projects (id int generated always as identity, name text)'

/** `%d`: another tenant's database, `%r`: its login role, `%p`: the process of its session. */
const REFUSED: readonly (readonly [string, string])[] = [
  ["copy projects from program 'true'", '42501'],
  ["copy projects to program 'cat'", '42501'],
  ["copy projects to '/tmp/tenantry-out'", '42501'],
  ["copy projects from '/etc/passwd'", '42501'],
  ["select pg_read_file('postgresql.conf')", '42501'],
  ["select pg_read_binary_file('global/pg_control')", '42501'],
  ["select pg_ls_dir('.')", '42501'],
  ["select pg_stat_file('postgresql.conf')", '42501'],
  ["select lo_import('/etc/passwd')", '42501'],
  ["select lo_export(1, '/tmp/tenantry-out')", '42501'],
  ['select pg_ls_logdir()', '42501'],
  ['select pg_reload_conf()', '42501'],
  ['create extension dblink', '42501'],
  ['create extension postgres_fdw', '42501'],
  ['create extension file_fdw', '42501'],
  ['create extension pgcrypto', '42501'],
  ["load '$libdir/plugins/x'", '58P01'],
  ['create operator public.=== (leftarg = int, rightarg = int, function = int4eq)', '42501'],
  ["create function public.now() returns text language sql as 'select ''x'''", '42501'],
  ['create temporary table t (id int)', '42501'],
  ['select * into temporary t from projects', '42501'],
  ["set temp_file_limit to '-1'", '42501'],
  ["set session_preload_libraries to 'x'", '42501'],
  ['set log_statement to none', '42501'],
  ['set role "%r"', '42501'],
  ['set session authorization "%r"', '42501'],
  ['select pg_terminate_backend(%p)', '42501'],
  ['select pg_cancel_backend(%p)', '42501'],
  ['drop database "%d"', '42501'],
  ['alter database "%d" connection limit 0', '42501'],
  ['alter role "%r" password null', '42501'],
  ['alter role "%r" set statement_timeout to 1', '42501'],
  ['comment on database "%d" is null', '42501'],
  ['select * from pg_authid', '42501'],
  ['create publication p', '42501'],
  ["select pg_create_logical_replication_slot('x', 'pgoutput')", '42501'],
]

async function twoTenants(version: 15 | 18): Promise<LifecycleGround> {
  const ground = await LifecycleGround.withServer(version)
  const parts = { ...ground.parts, scramIterations: 1 }
  const plan = { schema: SCHEMA, settings: { work_mem: '8MB' } }
  await provisionTenant(parts, { id: 'acme', ...plan }, 'test')
  await provisionTenant(parts, { id: 'globex-corp', ...plan, labels: { plan: SECRET } }, 'test')
  return ground
}

describe.each([15, 18] as const)('SQL of a tenant on Postgres %i', (version) => {
  it('reaches no file, no program, no other server, and nothing of another tenant', async () => {
    await using ground = await twoTenants(version)
    const other = await ground.connect('globex-corp')
    const { rows } = await other.query('select pg_backend_pid() as pid')
    const { database, role } = (await ground.tenant('globex-corp')).route
    const client = await ground.connect('acme')
    const got: [string, string | undefined][] = []
    for (const [text] of REFUSED) {
      const statement = text
        .replaceAll('%d', database)
        .replaceAll('%r', role)
        .replaceAll('%p', String(rows[0].pid))
      got.push([text, await sqlstateOf(client.query(statement))])
    }
    expect(got).toEqual(REFUSED)
    expect((await other.query('select 1 as one')).rows).toEqual([{ one: 1 }])
    await client.end()
    await other.end()
  })
})

describe('SQL of a tenant', () => {
  it('finds in no catalog who else is there, or what they ask', async () => {
    await using ground = await twoTenants(18)
    const other = await ground.connect('globex-corp')
    await other.query(`select '${SECRET}'`)
    const client = await ground.connect('acme')
    const views = await client.query(
      `select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname in ('pg_catalog', 'information_schema') and c.relkind in ('r', 'v')
          and has_table_privilege(c.oid, 'select') order by 1`,
    )
    const hits: string[] = []
    let read = 0
    for (const { name } of views.rows) {
      const found = await client
        .query(
          `select count(*)::int as n from ${name} v where v::text ~ 'globex|canary-of-'  and v::text !~ 'pg_class'`,
        )
        .catch(() => undefined)
      read += found === undefined ? 0 : 1
      if (found?.rows[0].n > 0) hits.push(name)
    }
    // It sees its own session, which asks for just that.
    expect(hits.filter((name) => !name.endsWith('pg_stat_activity'))).toEqual([])
    const others = await client.query(
      `select count(*)::int as n from pg_stat_activity where usename <> current_user and query like '%canary%'`,
    )
    expect(others.rows).toEqual([{ n: 0 }])
    expect(read).toBeGreaterThan(100)
    await client.end()
    await other.end()
  })
})

describe('the settings of roles and databases, which every role of a server can read', () => {
  it('hold no secret of ours, and tell nobody whose they are', async () => {
    await using ground = await twoTenants(18)
    const { route } = await ground.tenant('globex-corp')
    const server = await ground.registry.find('server', 'main')
    if (!server) throw new Error('the server is not on record')
    const { parts, registry } = ground
    const password = targetOf(
      await ground.tenant('globex-corp'),
      server.record,
      parts.sealer,
      registry.id,
    ).password?.reveal()
    await issueCredential(parts, 'globex-corp', {}, 'test')
    const client = await ground.connect('acme')
    const { rows } = await client.query<{ config: string }>(
      `select s.setconfig::text as config from pg_db_role_setting s join pg_roles r on r.oid = s.setrole
        where starts_with(r.rolname, $1)`,
      [route.database],
    )
    await client.end()
    const texts = rows.map(({ config }) => config)
    expect(texts.join()).toContain('work_mem=8MB')
    for (const secret of [password ?? 'none', 'globex', SECRET])
      expect(texts.filter((text) => text.includes(secret))).toEqual([])
  })
})

/** What the migrations of the registry take in the management database. */
const OUR_LOCK = '8387228131405298297'

describe('a tenant that holds advisory locks, ours among them', () => {
  it('holds up no verb of ours, and no registry on its server: they are of its own database', async () => {
    await using ground = await twoTenants(18)
    const holder = await ground.connect('acme')
    await holder.query(
      `select pg_advisory_lock(${OUR_LOCK}), pg_advisory_lock(n) from generate_series(1, 1000) n`,
    )
    const management = await newManagementDatabase()
    await using registry = await management.open()
    expect(registry.id).not.toBe('')
    await issueCredential(ground.parts, 'acme', {}, 'test')
    const rotated = await rotateTenant(ground.parts, 'acme', { hearMs: 0, drainMs: 0 }, 'test')
    expect(rotated.sessionsEnded).toBe(1)
    expect(await sqlstateOf(holder.query('select 1'))).toBeDefined()
  })
})

describe('a session that sits in template1', () => {
  it('does not keep tenants from being made', async () => {
    await using ground = await LifecycleGround.withServer(18)
    const parts = { ...ground.parts, scramIterations: 1 }
    await provisionTenant(parts, { id: 'acme' }, 'test')
    const sitting = await ground.connect('acme', 'template1')
    const { tenant } = await provisionTenant(parts, { id: 'globex' }, 'test')
    expect(tenant.status).toBe('active')
    await sitting.end()
  })
})
