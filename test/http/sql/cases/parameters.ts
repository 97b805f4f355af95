import { expect } from 'vitest'
import type { SqlCase } from '../sql-case.ts'

/** Type to cast the parameter to, and what the client is given; `pg` is asked the same. 30 of the 41. */
const VALUES: readonly (readonly [cast: string, value: unknown])[] = [
  ['', 'text without a type'],
  ['', ''],
  ['', null],
  ['::int', 1],
  ['::int', '42'],
  ['::int8', '9223372036854775807'],
  ['::int8', 9007199254740991],
  ['::numeric', '123456789012345678901234567890.5'],
  ['::float8', 0.1],
  ['::float8', 'NaN'],
  ['::float8', Number.NEGATIVE_INFINITY],
  ['::bool', true],
  ['::bool', false],
  ['::bool', 'true'],
  ['::bool', 'off'],
  ['::text', `quotes ' " \\ $1 ; -- /* */`],
  ['::text', 'zażółć 𝄞\n\t'],
  ['::timestamptz', '2024-02-29 12:34:56.123456+00'],
  ['::timestamptz', 'infinity'],
  ['::timestamptz', new Date('2024-02-29T12:34:56.789Z')],
  ['::date', '0044-03-15 BC'],
  ['::json', '{"a":  12345678901234567890}'],
  ['::jsonb', { a: [1, null, 'x"y\\z'] }],
  ['::jsonb', '"a text"'],
  ['::bytea', '\\xdeadbeef'],
  ['::int[]', [1, 2, null]],
  ['::text[]', ['a', 'b"c\\d', null, 'NULL', '', '{x}']],
  [
    '::int[]',
    [
      [1, 2],
      [3, 4],
    ],
  ],
  ['::mood', 'happy'],
  ['::interval', '1 year 2 days'],
]

const sameAsPg: readonly SqlCase[] = VALUES.map(([cast, value]) => ({
  name: `${JSON.stringify(value)} as $1${cast} is what pg makes of it`,
  async run({ sql, pg: client }) {
    const query = `select $1${cast} as v`
    expect(await sql.query(query, [value])).toEqual((await client.query(query, [value])).rows)
  },
}))

/** JSON values, which this client never sends and others do. */
const JSON_VALUES: readonly (readonly [cast: string, value: unknown, text: string | null])[] = [
  ['::int', 7, '7'],
  ['::bool', true, 't'],
  ['::jsonb', { a: 1 }, '{"a": 1}'],
  ['::int[]', [1, null, 3], '{1,NULL,3}'],
  ['::text[]', ['a"b', '\\'], '{"a\\"b","\\\\"}'],
  ['::jsonb[]', [{ a: 1 }], '{"{\\"a\\": 1}"}'],
]

const ofJson: readonly SqlCase[] = JSON_VALUES.map(([cast, value, text]) => ({
  name: `the JSON value ${JSON.stringify(value)} is Postgres text for $1${cast}`,
  async run({ post }) {
    const { json } = await post({ query: `select $1${cast}`, params: [value] })
    expect(json.rows).toEqual([[text]])
  },
}))

const inTheirPlaces: readonly SqlCase[] = [
  {
    name: 'types of parameters are inferred from the statement',
    async run({ sql }) {
      expect(await sql`select id from notes where id = ${'3'} and body like ${'acme%'}`).toEqual([{ id: 3 }])
      expect(await sql`select ${1}::int + ${'2'} as sum`).toEqual([{ sum: 3 }])
    },
  },
  {
    name: 'a parameter may be used twice, and in any order',
    async run({ sql }) {
      expect(await sql.query('select $2::text || $1::text || $2::text as v', ['a', 'b'])).toEqual([
        { v: 'bab' },
      ])
    },
  },
  {
    name: 'parameters may be left out of the body, or be null',
    async run({ post }) {
      const answers = [await post({ query: 'select 1' }), await post({ query: 'select 1', params: null })]
      expect(answers.map(({ json }) => json.rows)).toEqual([[['1']], [['1']]])
    },
  },
  {
    name: 'one parameter too few or too many says how many there are and should be',
    async run({ sql }) {
      for (const [text, values, counts] of [
        ['select $1::int + $2::int', [1], [1, 2]],
        ['select $1::int', [1, 2], [2, 1]],
        ['select 1', ['x'], [1, 0]],
      ] as const)
        await expect(sql.query(text, [...values])).rejects.toMatchObject({
          code: '08P01',
          message: `bind message supplies ${counts[0]} parameters, but prepared statement "" requires ${counts[1]}`,
        })
    },
  },
  {
    name: 'a thousand parameters arrive in their places',
    async run({ sql }) {
      const values = Array.from({ length: 1_000 }, (_, at) => at)
      const list = values.map((_, at) => `$${at + 1}::int`).join(',')
      expect(await sql.query(`select array[${list}] as v`, values)).toEqual([{ v: values }])
    },
  },
]

/** 41 cases. */
export const parameters: readonly SqlCase[] = [...sameAsPg, ...ofJson, ...inTheirPlaces]
