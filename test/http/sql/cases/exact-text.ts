import pg from 'pg'
import { expect } from 'vitest'
import type { SqlCase } from '../sql-case.ts'

/** 61 expressions, of every family of types. */
export const EXPRESSIONS = [
  '1::int2',
  "'-2147483648'::int4",
  '9223372036854775807::int8',
  '123456789012345678901234567890.123456789::numeric',
  "'NaN'::numeric",
  '1.10::numeric(10,2)',
  '0.1::float4',
  '0.1::float8 + 0.2::float8',
  "'NaN'::float8",
  "'-Infinity'::float8",
  '1e300::float8',
  'true',
  'false',
  'null::int',
  "''::text",
  "'héllo ☃ 𝄞'::text",
  `E'line\\nquote"back\\\\slash\\ttab'::text`,
  "'padded'::char(10)",
  "'short'::varchar(20)",
  '\'x\'::"char"',
  "'pg_class'::name",
  "'2024-02-29'::date",
  "'infinity'::date",
  "'0044-03-15 BC'::date",
  "'2024-02-29 12:34:56.123456'::timestamp",
  "'2024-02-29 12:34:56.123456+02'::timestamptz",
  "'infinity'::timestamptz",
  "'-infinity'::timestamp",
  "'0044-03-15 01:02:03 BC'::timestamp",
  "'12:34:56.789'::time",
  "'12:34:56+05:30'::timetz",
  "'1 year 2 mons 3 days 04:05:06.789'::interval",
  `'{"a": 12345678901234567890, "b":  [1, null]}'::json`,
  `'{"a": 12345678901234567890, "b":  [1, null]}'::jsonb`,
  "'null'::jsonb",
  'array[1,2,null]::int[]',
  "array['a', 'b \"c\"', null, 'NULL', '']::text[]",
  'array[[1,2],[3,4]]::int8[]',
  "'[0:1]={5,6}'::int[]",
  'array[true,false]',
  `array['{"a":1}'::jsonb]`,
  "array['2024-01-01'::timestamptz]",
  "array['\\xdead'::bytea]",
  "'{}'::text[]",
  "'\\xdeadbeef00'::bytea",
  "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid",
  'int4range(1, 10)',
  "'{[1,3), [5,7)}'::int4multirange",
  "row(1, 'two', null)",
  "'happy'::mood",
  "array['sad'::mood, 'happy'::mood]",
  "'x@y'::email",
  'point(1.5, -2)',
  'array[box(point(0,0), point(1,1)), box(point(2,2), point(3,3))]',
  "'192.168.0.1/24'::inet",
  "'08:00:2b:01:02:03'::macaddr",
  "'10101'::varbit",
  "'<a>1</a>'::xml",
  "to_tsvector('simple', 'a fat cat')",
  'pg_sleep(0)',
  "'12.34'::money",
] as const

const asIs = { getTypeParser: () => (text: string) => text }

/** What `pg` must ask for to see no value but as its text: it takes `queryMode` since 8.12, which its types do not know. */
function rawQuery(text: string, values: unknown[] = []) {
  return {
    text,
    values,
    rowMode: 'array',
    queryMode: 'extended',
    types: asIs,
  } as unknown as pg.QueryArrayConfig
}

/** Every value, its column and the tag as `pg` has them. */
export const exactText: readonly SqlCase[] = EXPRESSIONS.map((expression) => ({
  name: `${expression} has the text and the field that Postgres gives it`,
  async run({ post, pg: client }) {
    const query = `select ${expression} as v`
    const { status, json } = await post({ query, params: [] })
    const wanted = await client.query(rawQuery(query))
    const fields = wanted.fields.map((field) => ({ ...field }))
    expect([status, json]).toEqual([
      200,
      { fields, rows: wanted.rows, command: 'SELECT', rowCount: 1, rowAsArray: true },
    ])
  },
}))

/** The client's own parsers, over that text. */
export const clientValues: readonly SqlCase[] = [
  {
    name: 'the client reads every expression as pg does',
    async run({ sql, pg: client }) {
      // One that pg has parsers for and the client has not: it leaves none out.
      const text = `select ${EXPRESSIONS.map((expression, index) => `${expression} as v${index}`).join(', ')}`
      expect(await sql.query(text)).toEqual((await client.query(text)).rows)
    },
  },
  {
    name: 'columns of one name are all there in array mode',
    async run({ sql }) {
      expect(await sql.query('select 1 as a, 2 as a, 3 as b', [], { arrayMode: true })).toEqual([[1, 2, 3]])
    },
  },
  {
    name: 'an empty text is not null',
    async run({ sql }) {
      expect(await sql`select '' as a, null as b`).toEqual([{ a: '', b: null }])
    },
  },
  {
    name: 'letters beyond ASCII come as they went, in both directions',
    async run({ sql }) {
      const text = 'zażółć gęślą jaźń ☃ 𝄞 \u0001'
      expect(await sql`select ${text}::text as a, 'ÿ☃' as b`).toEqual([{ a: text, b: 'ÿ☃' }])
    },
  },
  {
    name: 'a thousand rows come whole and in order',
    async run({ full }) {
      const result = await full`select n, repeat('x', n % 50) as x from generate_series(1, 1000) n`
      expect([result.rowCount, result.rows.length]).toEqual([1_000, 1_000])
      expect(result.rows.map(({ n }) => n)).toEqual(Array.from({ length: 1_000 }, (_, at) => at + 1))
    },
  },
  {
    name: 'the columns of a table say their table, place, size and modifier',
    async run({ full, pg: client }) {
      const query = 'select ctid, code, price, note, price * 2 as twice from goods'
      const { fields } = await full.query(query)
      const wanted = await client.query(query)
      expect(fields).toEqual(wanted.fields.map((field) => ({ ...field })))
      expect(fields.map(({ columnID }) => columnID)).toEqual([-1, 1, 2, 3, 0])
    },
  },
]
