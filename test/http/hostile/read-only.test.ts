import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DOORS, HostileGround, UNDISTURBED } from './hostile-ground.ts'

const WRITE = "insert into notes values (900, 'evil', 'written')"
/** Each as one statement. */
const ATTEMPTS = [
  WRITE,
  "update notes set body = 'written'",
  'delete from notes',
  'truncate notes',
  `with written as (${WRITE} returning id) select id from written`,
  `explain analyze ${WRITE}`,
  "merge into notes n using (select 1 as id) s on n.id = s.id when matched then update set body = 'written'",
  'select id into written from notes',
  'create table written (n int)',
  'create table written as table notes',
  'drop table notes',
  'select count(writes()) from notes',
  `do $$ begin ${WRITE}; end $$`,
  `do $$ begin set transaction read write; ${WRITE}; end $$`,
  `do $$ begin perform set_config('transaction_read_only', 'off', true); ${WRITE}; end $$`,
  `do $$ begin set local transaction_read_only to off; ${WRITE}; end $$`,
  `do $$ begin begin perform 1 / 0; exception when others then set transaction read write; ${WRITE}; end; end $$`,
  `do $$ begin commit; ${WRITE}; end $$`,
  `do $$ begin rollback; set transaction read write; ${WRITE}; end $$`,
  'call writes_after_commit()',
  `commit; ${WRITE}`,
  'commit',
  'rollback and chain',
  'begin read write',
  'select lo_create(4711)',
  "comment on table notes is 'written'",
  'grant all on notes to public',
  "select nextval('counter')",
  "alter role current_user set search_path to 'written'",
  "alter role current_user password 'written'",
  "prepare transaction 'written'",
  'copy notes from stdin',
  'vacuum full notes',
]
/** What would let the next statement of the same transaction write. */
const OPENINGS = [
  'set transaction read write',
  'set session characteristics as transaction read write',
  'set transaction_read_only to off',
  'set default_transaction_read_only to off',
  'reset all',
  "select set_config('transaction_read_only', 'off', false)",
  'do $$ begin commit; end $$',
  'do $$ begin rollback; end $$',
  'savepoint s',
]

let ground: HostileGround
let key: string
let before: unknown
beforeAll(async () => {
  ground = await HostileGround.start()
  const { role } = ground.http.world.placeOf('evil')
  await ground.http.world.execute(
    'evil',
    `create sequence counter;
     create function writes() returns int language plpgsql as $$ begin ${WRITE}; return 1; end $$;
     create procedure writes_after_commit() language plpgsql as $$ begin commit; ${WRITE}; end $$;
     grant all on counter to ${role}; grant all on notes to ${role}; grant create on schema public to ${role}`,
  )
  key = await ground.http.tenantKey('evil', { readOnly: true })
  before = await contents()
})
afterAll(() => ground[Symbol.asyncDispose]())

/** All that the attempts could have changed. */
async function contents(): Promise<unknown> {
  const { database, role } = ground.http.world.placeOf('evil')
  return ground.http.world.server.query(
    `select (select pg_catalog.md5(pg_catalog.string_agg(n::text, '' order by id)) from notes n) as notes,
            (select count(*) from pg_catalog.pg_class where relname = 'written') as made,
            (select count(*) from pg_catalog.pg_largeobject_metadata) as objects,
            (select is_called from counter) as counted,
            pg_catalog.obj_description('notes'::regclass) as said,
            (select relacl::text from pg_catalog.pg_class where oid = 'notes'::regclass) as granted,
            (select rolpassword from pg_catalog.pg_authid where rolname = $1) as password,
            (select count(*) from pg_catalog.pg_db_role_setting s join pg_catalog.pg_roles r on r.oid = s.setrole
              where r.rolname = $1) as settings`,
    [role],
    database,
  )
}

describe.each(DOORS)('a read-only key, by %s,', (name) => {
  it.each(ATTEMPTS)('is refused %j', async (sql) => {
    const { status } = await ground.door(name, 'tenant', key).ask(sql)
    expect(status).toBe(400)
  })
})

describe.each([
  ['/v1/transaction', (texts: readonly string[]) => ({ statements: texts.map((sql) => ({ sql })) })],
  ['/sql', (texts: readonly string[]) => ({ queries: texts.map((query) => ({ query })) })],
] as const)('a read-only key, by several statements to %s,', (path, bodyOf) => {
  it.each(OPENINGS)('is refused a write after %j', async (opening) => {
    const { status } = await ground.send(path, bodyOf([opening, WRITE]), key)
    expect(status).toBe(400)
  })
})

describe('all that they tried to change', () => {
  it('is as it was', async () => {
    expect(await contents()).toEqual(before)
  })
})

describe('another tenant, meanwhile,', () => {
  it('is served as ever, by connections that nobody ended', async () => {
    expect(await ground.neighbour.report()).toEqual(UNDISTURBED)
  })
})
