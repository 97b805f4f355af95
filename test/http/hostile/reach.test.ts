import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DoorName, HostileGround, UNDISTURBED } from './hostile-ground.ts'

const FORMS = ['query', 'sql'] as const satisfies readonly DoorName[]

/**
 * `%d`: another tenant's database, `%r`: its role, `%p`: the process of its session. What a provisioned tenant is refused
 * too is in `test/lifecycle/provision/traps.test.ts`; here the role is one that somebody registered.
 */
const REFUSED: readonly (readonly [string, string])[] = [
  ["copy notes from program 'true'", '42501'],
  ["copy notes to program 'cat'", '42501'],
  ["copy notes to '/tmp/tenantry-out'", '42501'],
  ["copy notes from '/etc/passwd'", '42501'],
  ["select pg_read_file('postgresql.conf')", '42501'],
  ["select pg_read_binary_file('global/pg_control')", '42501'],
  ["select pg_ls_dir('.')", '42501'],
  ["select pg_stat_file('postgresql.conf')", '42501'],
  ['select pg_ls_waldir()', '42501'],
  ['select pg_ls_tmpdir()', '42501'],
  ['select pg_ls_logdir()', '42501'],
  ["select lo_import('/etc/passwd')", '42501'],
  ["select lo_export(1, '/tmp/tenantry-out')", '42501'],
  ["select dblink('dbname=%d', 'select 1')", '42883'],
  ['create extension dblink', '42501'],
  ['create extension postgres_fdw', '42501'],
  ['create extension file_fdw', '42501'],
  ['create server s foreign data wrapper w', '42704'],
  ['create foreign data wrapper w', '42501'],
  ["create subscription s connection 'dbname=%d' publication p", '42501'],
  ['create publication p for all tables', '42501'],
  ['create event trigger e on ddl_command_start execute function f()', '42501'],
  ["create function f() returns int language c as 'f'", '42501'],
  ['create language plperlu', '42501'],
  ["load 'auto_explain'", '42501'],
  ["set session_preload_libraries to 'auto_explain'", '42501'],
  ['set session_replication_role to replica', '42501'],
  ['set allow_system_table_mods to on', '42501'],
  ['set zero_damaged_pages to on', '42501'],
  ['set log_statement to none', '42501'],
  ["alter system set work_mem to '1GB'", '42501'],
  ['select pg_reload_conf()', '42501'],
  ['select pg_rotate_logfile()', '42501'],
  ['select pg_switch_wal()', '42501'],
  ['select pg_promote()', '42501'],
  ["select pg_create_restore_point('x')", '42501'],
  ["select pg_backup_start('x')", '42501'],
  ['select pg_stat_reset()', '42501'],
  ['select * from pg_hba_file_rules', '42501'],
  ['select * from pg_authid', '42501'],
  ['select * from pg_shadow', '42501'],
  ['update pg_database set datallowconn = false', '42501'],
  ["select pg_create_physical_replication_slot('x')", '42501'],
  ["select pg_replication_origin_create('x')", '42501'],
  ['checkpoint', '42501'],
  ['create database d', '42501'],
  ["create tablespace t location '/tmp'", '42501'],
  ['create role r', '42501'],
  ['alter role current_user superuser', '42501'],
  ['alter role current_user createdb', '42501'],
  ['alter role current_user connection limit 1000', '42501'],
  ["alter role current_user valid until 'infinity'", '42501'],
  ['alter database "%d" set work_mem to 1', '42501'],
  ['alter database "%d" connection limit 0', '42501'],
  ['drop database "%d"', '42501'],
  ['alter role "%r" password null', '42501'],
  ['alter role "%r" set role to none', '42501'],
  ['alter role "%r" nologin', '42501'],
  ['drop role "%r"', '42501'],
  ['set role "%r"', '42501'],
  ['set session authorization "%r"', '42501'],
  ['grant "%r" to current_user', '42501'],
  ['reassign owned by "%r" to current_user', '42501'],
  ['drop owned by "%r"', '42501'],
  ['select * from "%d".public.notes', '0A000'],
  ['select pg_terminate_backend(%p)', '42501'],
  ['select pg_cancel_backend(%p)', '42501'],
  ['select pg_log_backend_memory_contexts(%p)', '42501'],
]

let ground: HostileGround
let good: { readonly database: string; readonly role: string; readonly pid: number }
beforeAll(async () => {
  ground = await HostileGround.start()
  const { database, role } = ground.http.world.placeOf('good')
  using lease = await ground.http.world.lease('good', { trust: 'foreign' })
  good = { database, role, pid: lease.connection.pid }
})
afterAll(() => ground[Symbol.asyncDispose]())

const named = (text: string) =>
  text.replaceAll('%d', good.database).replaceAll('%r', good.role).replaceAll('%p', String(good.pid))

describe.each(FORMS)('a tenant key, by %s,', (name) => {
  it.each(REFUSED)('is refused: %s', async (text, sqlstate) => {
    const { status, json } = await ground.door(name).ask(named(text))
    expect([status, json.sqlstate ?? json.code]).toEqual([400, sqlstate])
  })

  it('reads of others in no view of the server what they ask, or from where', async () => {
    const door = ground.door(name)
    const sql = `select query, client_addr from pg_stat_activity where datname = '${good.database}'`
    const rows: { query: string; client_addr: string | null }[] = door.rows(await door.ask(sql))
    expect(rows.length).toBeGreaterThan(0)
    for (const row of rows) expect(row).toEqual({ query: '<insufficient privilege>', client_addr: null })
  })
})

describe('another tenant, meanwhile,', () => {
  it('is served as ever, by connections that nobody ended', async () => {
    expect(await ground.neighbour.report()).toEqual(UNDISTURBED)
  })
})
