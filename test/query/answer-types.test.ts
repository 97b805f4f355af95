import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type HttpWorld, startHttpWorld } from '../http/http-world.ts'

let http: HttpWorld
let key: string
let serviceKey: string
beforeAll(async () => {
  http = await startHttpWorld(['acme'])
  key = await http.tenantKey('acme')
  serviceKey = await http.serviceKey()
})
afterAll(() => http[Symbol.asyncDispose]())

/** The value as it stands in the answer's text: a parsed number would hide what was lost. */
async function valueText(sql: string, params: unknown[] = []): Promise<string> {
  const { text } = await http.ask('/v1/query', { key, body: { sql: `select ${sql} as v`, params } })
  return /"rows":\[\{"v":(.*)\}\],"rowCount"/s.exec(text)?.[1] ?? text
}

describe('values', () => {
  it.each([
    ['true', 'true'],
    ['false', 'false'],
    ['null::bool', 'null'],
    ['1::int2', '1'],
    ['-7::int4', '-7'],
    ['9007199254740993::int8', '"9007199254740993"'],
    ['0.1::numeric(40,20)', '"0.10000000000000000000"'],
    ['1.5::float4', '1.5'],
    ['1e300::float8', '1e+300'],
    ["'NaN'::float8", '"NaN"'],
    ["'-Infinity'::float4", '"-Infinity"'],
    ["'a\"\\é'::text", '"a\\"\\\\é"'],
    [
      `'{"a": 12345678901234567890123, "a": [1, null]}'::json`,
      '{"a": 12345678901234567890123, "a": [1, null]}',
    ],
    ["'1.00000000000000000000001'::jsonb", '1.00000000000000000000001'],
    ["'null'::jsonb", 'null'],
    ["'2024-02-29 12:34:56.789012+00'::timestamptz at time zone 'utc'", '"2024-02-29 12:34:56.789012"'],
    ["'infinity'::date", '"infinity"'],
    ["'\\xdeadbeef'::bytea", '"\\\\xdeadbeef"'],
    ["'00000000-0000-0000-0000-000000000001'::uuid", '"00000000-0000-0000-0000-000000000001"'],
    ["'1 day 02:00'::interval", '"1 day 02:00:00"'],
    ['int4range(1, 5)', '"[1,5)"'],
    ["row(1, 'x')", '"(1,x)"'],
  ])('%s is %s', async (sql, expected) => {
    expect(await valueText(sql)).toBe(expected)
  })
})

describe('arrays', () => {
  it.each([
    ['array[1,2,null]::int4[]', '[1,2,null]'],
    ['array[9007199254740993]::int8[]', '["9007199254740993"]'],
    ["array['a','b,c','\"q\"', null, 'NULL', '']", '["a","b,c","\\"q\\"",null,"NULL",""]'],
    ['array[[true,false],[null,true]]', '[[true,false],[null,true]]'],
    ["array['NaN'::float8, 1.5]", '["NaN",1.5]'],
    [`array['{"a":1}'::jsonb, 'null'::jsonb]`, '[{"a": 1},null]'],
    ["'[2:3]={7,8}'::int4[]", '[7,8]'],
    ["array['(1,1),(0,0)'::box, '(2,2),(0,0)'::box]", '["(1,1),(0,0)","(2,2),(0,0)"]'],
    ["'{}'::text[]", '[]'],
  ])('%s is %s', async (sql, expected) => {
    expect(await valueText(sql)).toBe(expected)
  })
})

describe('arrays of types that the database made itself', () => {
  it('are arrays too, by what their elements come down to, and as a tenant and the service see them', async () => {
    await http.world.execute(
      'acme',
      `create type mood as enum ('sad', 'ok, "fine"');
       create domain age as int; create domain exact as jsonb; create domain moods as mood[];`,
    )
    const sql = `select array['sad', 'ok, "fine"', null]::mood[] as a, array[1, 2]::age[] as b,
      array['1.00000000000000000000001']::exact[] as c, array['{sad}']::moods[] as d, 'sad'::mood as e`
    for (const asked of [
      await http.ask('/v1/query', { key, body: { sql } }),
      await http.ask('/v1/query', { key: serviceKey, headers: { 'x-tenant-id': 'acme' }, body: { sql } }),
    ]) {
      expect(asked.text).toContain(
        '"rows":[{"a":["sad","ok, \\"fine\\"",null],"b":[1,2],"c":[1.00000000000000000000001],"d":[["sad"]],"e":"sad"}]',
      )
    }
  })
})

describe('parameters', () => {
  it.each([
    ['$1::text', 'plain', '"plain"'],
    ['$1::bool', 'true', 'true'],
    ['$1::bool', false, 'false'],
    ['$1::int8 + 1', '9007199254740993', '"9007199254740994"'],
    ['$1::numeric', 1.5, '"1.5"'],
    ['$1::int', null, 'null'],
    ['$1::jsonb', { a: ['x', 1] }, '{"a": ["x", 1]}'],
    ['$1::jsonb', '{"a":1}', '{"a": 1}'],
    ['$1::text[]', ['a"b', 'c\\d', null, 'NULL', ''], '["a\\"b","c\\\\d",null,"NULL",""]'],
    [
      '$1::int[]',
      [
        [1, 2],
        [3, 4],
      ],
      '[[1,2],[3,4]]',
    ],
    ['$1::jsonb[]', [{ a: 1 }, 'null'], '[{"a": 1},null]'],
    ['$1::timestamptz = $1::timestamptz', 'infinity', 'true'],
    ['$1::bytea', '\\xdead', '"\\\\xdead"'],
    ['$1', 'untyped', '"untyped"'],
  ])('in %s, %j comes back as %s', async (sql, param, expected) => {
    expect(await valueText(sql, [param])).toBe(expected)
  })

  it.each([
    ['an integer that lost digits', 2 ** 53],
    ['one inside an array', [2 ** 60]],
    ['seven dimensions', [[[[[[[1]]]]]]]],
  ])('refuse %s', async (_, param) => {
    const { status, json } = await http.ask('/v1/query', { key, body: { sql: 'select $1', params: [param] } })
    expect([status, json.code]).toEqual([400, 'invalid_request'])
  })

  it('refuse a document nested deeper than the stack, without harm', async () => {
    const deep = '{"a":'.repeat(15_000) + '1' + '}'.repeat(15_000)
    const { status } = await http.ask('/v1/query', {
      key,
      body: `{"sql":"select $1::text","params":[${deep}]}`,
    })
    expect([200, 400]).toContain(status)
  })
})

describe('a name that objects know', () => {
  it('is a column like any other', async () => {
    const sql = 'select 1 as "__proto__", 2 as "constructor"'
    const { text } = await http.ask('/v1/query', { key, body: { sql } })
    expect(text).toContain('"rows":[{"__proto__":1,"constructor":2}]')
  })
})

describe('application SQL', () => {
  it('has the same types when its statements are prepared and used again, beside handles with others', async () => {
    const sql =
      'select array[1,2] as a, \'{"b": 10000000000000000001}\'::jsonb as j, 5::int8 as i where $1::int = 1'
    const ask = () =>
      http.ask('/v1/query', {
        key: serviceKey,
        body: { sql, params: [1] },
        headers: { 'x-tenant-id': 'acme' },
      })
    const expected = '"rows":[{"a":[1,2],"j":{"b": 10000000000000000001},"i":"5"}]'
    for (let round = 0; round < 3; round++) {
      expect((await ask()).text).toContain(expected)
      const rows = await http.world.router.withTenant('acme', (handle) =>
        handle.unsafe(sql, [1], { prepare: true }),
      )
      expect(rows[0]).toMatchObject({ a: [1, 2], i: '5' })
    }
  })
})
