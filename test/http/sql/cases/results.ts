import { expect } from 'vitest'
import type { SqlCase } from '../sql-case.ts'

/** Statement → the first word of its tag and its count. */
const TAGS: readonly (readonly [sql: string, command: string, rowCount: number | null])[] = [
  ['select 1 where false', 'SELECT', 0],
  ["insert into goods values ('t1', 1), ('t2', 2)", 'INSERT', 2],
  ["update goods set note = 'x' where code in ('t1', 't2')", 'UPDATE', 2],
  ["delete from goods where code = 't1'", 'DELETE', 1],
  [
    "merge into goods g using (values ('t2')) v(code) on g.code = v.code when matched then delete",
    'MERGE',
    1,
  ],
  ['create temporary table made (id int)', 'CREATE', null],
  ['set application_name = here', 'SET', null],
  ['show server_version', 'SHOW', null],
  ['values (1), (2)', 'SELECT', 2],
  ['', '', null],
  ['-- nothing', '', null],
]

export const tags: readonly SqlCase[] = TAGS.map(([text, command, rowCount]) => ({
  name: `${JSON.stringify(text)} answers ${command || 'no command'} and ${rowCount}`,
  async run({ full, sql }) {
    try {
      // What the later ones change, whichever ran before.
      if (/t[12]/.test(text) && command !== 'INSERT') await sql`insert into goods values ('t1', 1), ('t2', 2)`
      expect(await full.query(text)).toMatchObject({ command, rowCount })
    } finally {
      await sql`delete from goods where code like 't%'`
    }
  },
}))

export const shapes: readonly SqlCase[] = [
  {
    name: 'RETURNING gives rows and a count',
    async run({ full, sql }) {
      try {
        const result = await full`insert into goods values ('r1', 3) returning code, price`
        expect(result).toMatchObject({
          rows: [{ code: 'r1', price: '3.00' }],
          rowCount: 1,
          command: 'INSERT',
        })
      } finally {
        await sql`delete from goods where code = 'r1'`
      }
    },
  },
  {
    name: 'no statement of a table has rows, and its fields are empty',
    async run({ full }) {
      expect(await full`create temporary table nothing ()`).toMatchObject({ fields: [], rows: [] })
    },
  },
  {
    name: 'raw rows are arrays of text or null, and nothing else',
    async run({ post }) {
      const { json } = await post({ query: "select 1, true, null, array[1], '{}'::jsonb" })
      expect(json.rows).toEqual([['1', 't', null, '{1}', '{}']])
      expect(json.rowAsArray).toBe(true)
    },
  },
  {
    name: 'without the headers values are JSON and rows are objects',
    async run({ post }) {
      const query = `select 1::int2 as a, 2 as b, 1.5::float8 as c, 'NaN'::float8 as d, true as e, '{"x":[1]}'::jsonb as f,
        array[1,null]::int[] as g, '[0:0]={{t}}'::text[] as h, 9007199254740993 as i, 1.10::numeric as j, null as k, array[1.5::numeric] as l`
      const { json } = await post({ query: query.replace("'[0:0]={{t}}'", "'[0:0]={t}'") }, {})
      expect(json.rowAsArray).toBe(false)
      expect(json.rows).toEqual([
        {
          a: 1,
          b: 2,
          c: 1.5,
          d: 'NaN',
          e: true,
          f: { x: [1] },
          g: [1, null],
          h: ['t'],
          i: '9007199254740993',
          j: '1.10',
          k: null,
          l: ['1.5'],
        },
      ])
    },
  },
  {
    name: 'array mode in the body goes before the header, for each query',
    async run({ post }) {
      const queries = [
        { query: 'select 1 as a', arrayMode: false },
        { query: 'select 1 as a', arrayMode: true },
        { query: 'select 1 as a' },
      ]
      const { json } = await post({ queries })
      expect(json.results.map(({ rows }: { rows: unknown }) => rows)).toEqual([
        [{ a: '1' }],
        [['1']],
        [['1']],
      ])
    },
  },
  {
    name: 'only the exact text true says yes in a header',
    async run({ post }) {
      const { json } = await post(
        { query: 'select 1 as a' },
        { 'neon-array-mode': 'True', 'neon-raw-text-output': '1' },
      )
      expect(json.rows).toEqual([{ a: 1 }])
    },
  },
]
