import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TenantPool } from '../../src/pg/tenant-pool.ts'
import { startWorld, type World } from '../support/world.ts'

const SCHEMA = `
  create type mood as enum ('sad', 'glad');
  create domain small as int check (value < 100);
  create table things (id int primary key, name varchar(10), price numeric(8, 2), tags text[], moods mood[],
    data jsonb, at timestamptz, blob bytea, mate int references things, amount small, uid uuid);
  grant all on things to public;
  insert into things values (1, 'one', 1.50, '{a,"b c",null}', '{sad,glad}', '{"a": [1, 2]}',
    '2026-01-02 03:04:05.678+00', '\\x00ff', null, 7, '11111111-1111-1111-1111-111111111111')`

let world: World
/** A pool of pg itself, beside the router. */
let theirs: pg.Pool
let ours: TenantPool
beforeAll(async () => {
  world = await startWorld(['acme'])
  await world.execute('acme', SCHEMA)
  const { database, role, password } = world.placeOf('acme')
  const { host, port } = world.server
  // What the router pins in each of its sessions.
  const options = '-c TimeZone=UTC -c DateStyle=ISO,MDY'
  theirs = new pg.Pool({ host, port, database, user: role, password, options, max: 1 })
  ours = new TenantPool(world.router, 'acme')
})
afterAll(async () => {
  await ours.end()
  await theirs.end()
  await world[Symbol.asyncDispose]()
})

type Call = readonly [query: string | object, values?: readonly unknown[]]

const READS: readonly Call[] = [
  ['select * from things'],
  ['select * from things where id = $1', [1]],
  [{ text: 'select * from things', rowMode: 'array' }],
  [{ text: 'select * from things where id = $1', values: [1], rowMode: 'array' }],
  [{ name: 'by-id', text: 'select name, price from things where id = $1', values: [1] }],
  [{ text: 'select id, name from things', queryMode: 'extended' }],
  [
    {
      text: 'select $1::int8 as n, now() - now() as i',
      types: { getTypeParser: () => (v: string) => `<${v}>` },
    },
    [5],
  ],
  ['select'],
  ['select from things'],
  [''],
  ['-- nothing'],
  ['select 1 as a, 2 as a, 3 as "__proto__"'],
  ['select ctid, xmin, tableoid::regclass from things'],
  ['show TimeZone'],
  ['explain (costs off) select 1'],
  ['values (1, null), (2, true)'],
  ["select 'infinity'::timestamptz, '-infinity'::date, 'NaN'::float8, 1e400::numeric"],
  ["select interval '1 year 2 days 03:04:05.6', point '(1,2)', circle '<(1,2),3>', money '1'"],
  ["select '{{1,2},{3,null}}'::int[], array['2026-01-02'::date], '{}'::text[], array[true, null]"],
  ['select 9007199254740993::int8, 12345678901234567890.5::numeric, 1::int2, 2::oid, 1.5::float4'],
  ["select json '{\"a\":1}', jsonb '[1]', xml '<a/>', '\\x0102'::bytea, bit '101', inet '10.0.0.1/8'"],
  ["select row(1, 'a'), int4range(1, 5), array[int4range(1, 5)], 'a'::\"char\", name 'n'"],
  ['select 1; select 2 as b, 3 as c; select where false'],
  ['create temporary table t (a int); insert into t values (1), (2); select a + 0 as b from t; drop table t'],
  ["set local work_mem = '1MB'; select 1"],
  ['begin; select 1; rollback'],
  ['update things set name = name where id = 1'],
  ['update things set name = name where id = $1 returning id, name', [1]],
  ['begin; insert into things (id) values (2), (3); rollback'],
  ['delete from things where id in ($1, $2)', [998, 999]],
  ['do $$ begin null; end $$'],
]

const VALUES: readonly Call[] = [
  ['select $1::text as v', ['a "b" \\ \u{1f600}']],
  ['select $1 as v', ['unknown']],
  ['select $1::int as v', [42]],
  ['select $1::float8 as v', [0.1]],
  ['select $1::bool as v', [true]],
  ['select $1::int8 as v', [9007199254740993n]],
  ['select $1::text is null as v, $2::int is null as w', [null, undefined]],
  ['select $1::timestamptz as v', [new Date('2026-01-02T03:04:05.678Z')]],
  ['select $1::timestamp as v', [new Date('0099-01-02T03:04:05Z')]],
  ['select $1::jsonb as v', [{ a: [1, { b: null }], c: 'd' }]],
  ['select $1::jsonb as v', [JSON.stringify([1, 2])]],
  ['select $1::int[] as v', [[1, null, [2]].slice(0, 2)]],
  ['select $1::text[] as v', [['a', 'b "c"', null, '', 'd,e', '\\']]],
  [
    'select $1::text[][] as v',
    [
      [
        ['a', 'b'],
        ['c', 'd'],
      ],
    ],
  ],
  ['select $1::bytea[] as v', [[Buffer.from([0, 255]), Buffer.from('x')]]],
  ['select $1::bytea as v', [Buffer.from([0, 1, 255])]],
  ['select $1::bytea as v', [new Uint8Array([1, 2, 3]).subarray(1)]],
  ['select $1::text as v', [Buffer.from('text', 'utf8')]],
  ['select $1::json as v', [Buffer.from('{"a":1}')]],
  ['select $1::uuid as v', [Buffer.from('22222222222222222222222222222222', 'hex')]],
  ['select $1::text as v', [{ toPostgres: () => 'mine' }]],
  ['select $1::text as v', [{ toPostgres: (prepare: (v: unknown) => unknown) => prepare([1, 2]) }]],
  ['select * from things where id = any($1)', [[1, 2]]],
  ['select $1::mood as v', ['glad']],
]

const FAILURES: readonly Call[] = [
  ['selec 1'],
  ['select nothing from things'],
  ['insert into things (id) values (1)'],
  ['insert into things (id, mate) values ($1, $2)', [9, 99]],
  ['insert into things (id, amount) values (9, 100)'],
  ['insert into things (id) values (null)'],
  ["insert into things (id, name) values (9, 'longer than ten')"],
  ['select $1::int', ['x']],
  ['select $1::uuid', ['x']],
  ['select 1 / $1::int', [0]],
  ['select 1; select 1 / 0; select 3'],
  ['select 1; select 2', [1]],
  ["do $$ begin raise exception 'mine' using detail = 'd', hint = 'h', errcode = 'P0042'; end $$"],
  ["do $$ begin execute 'selec 2'; end $$"],
  [{ text: 'select 1', values: 'x' }],
  [{ values: [1] }],
  ['select pg_cancel_backend(pg_backend_pid()), pg_sleep(1)'],
]

describe('a TenantPool answers as pg.Pool does', () => {
  it.each(named(READS))('%s', async (_, [query, values]) => {
    expect(await answerOf(ours, query, values)).toEqual(await answerOf(theirs, query, values))
  })

  it.each(named(VALUES))('to a value: %s', async (_, [query, values]) => {
    const answer = await answerOf(ours, query, values)
    expect(answer).toEqual(await answerOf(theirs, query, values))
    expect(answer).not.toHaveProperty('error')
  })

  it.each(named(FAILURES))('with the same error: %s', async (_, [query, values]) => {
    const answer = await answerOf(ours, query, values)
    expect(answer).toEqual(await answerOf(theirs, query, values))
    expect(answer).toHaveProperty('error')
  })

  it('again, when a statement with a name comes again on a client, its first run a failure', async () => {
    const named = {
      name: 'again',
      text: 'select name, price, 1 / $1::int as n from things',
      rowMode: 'array',
    }
    const answers = await Promise.all(
      [ours, theirs].map(async (pool) => {
        const client = await pool.connect()
        const failed = await answerOf(client, named, [0])
        const first = await answerOf(client, named, [1])
        const second = await answerOf(client, { name: 'again', rowMode: 'array' }, [1])
        const other = await answerOf(client, { name: 'again', text: 'select 1' })
        client.release()
        return [failed, first, second, other]
      }),
    )
    expect(answers[0]).toEqual(answers[1])
    expect(answers[0]).toHaveLength(4)
  })

  it('with the types that the application set for all of pg, and for one client', async () => {
    const before = pg.types.getTypeParser(20)
    pg.types.setTypeParser(20, BigInt)
    try {
      expect((await ours.query('select 5::int8 as n')).rows).toEqual([{ n: 5n }])
    } finally {
      pg.types.setTypeParser(20, before)
    }
    const client = await ours.connect()
    client.setTypeParser(20, (text) => `mine ${text}`)
    expect((await client.query('select 5::int8 as n')).rows).toEqual([{ n: 'mine 5' }])
    client.release()
    expect((await ours.query('select 5::int8 as n')).rows).toEqual([{ n: '5' }])
  })
})

function named(calls: readonly Call[]) {
  return calls.map((call, at) => [`${at} ${JSON.stringify(call[0])}`, call] as const)
}

type Queryable = Pick<pg.Pool, 'query'>

/** All that a caller can see of the answer. */
async function answerOf(to: Queryable, query: string | object, values?: readonly unknown[]): Promise<object> {
  try {
    // A boundary: pg's types do not take what is wrong on purpose.
    const call = query as string
    const answer = await (values ? to.query(call, [...values]) : to.query(call))
    return Array.isArray(answer) ? { many: answer.map(partsOf) } : partsOf(answer)
  } catch (error) {
    if (!(error instanceof Error)) throw error
    const { message, name } = error
    const isDatabaseError = error instanceof pg.DatabaseError
    return { error: Object.assign({ message, name, isDatabaseError }, error) }
  }
}

function partsOf(result: pg.QueryResult): object {
  const { command, rowCount, oid, rows } = result
  const fields = result.fields.map((field) => ({ ...field }))
  return { command, rowCount, oid, fields, rows, rowAsArray: Reflect.get(result, 'rowAsArray') }
}
