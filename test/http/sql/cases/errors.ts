import type { NeonDbError } from '@neondatabase/serverless'
import pg from 'pg'
import { expect } from 'vitest'
import type { SqlCase } from '../sql-case.ts'

/** Statements that fail, each in its own way. */
const FAILING = [
  'select 1/0',
  'select from where',
  'selekt 1',
  'select * from nowhere',
  'select nothing from notes',
  "select 'x'::int",
  "insert into notes values (1, 'acme', 'again')",
  "insert into goods values ('c1', -1)",
  "insert into goods values ('c2', null)",
  "insert into goods values ('much too long for it', 1)",
  "insert into orders values (1, 'gone')",
  "select 'no'::email",
  'select fails()',
  'select 1; select 2',
  "do $$ begin raise exception 'own words' using hint = 'a hint', detail = 'a detail', errcode = 'P0042', column = 'c', datatype = 'd'; end $$",
] as const

const FIELDS = [
  'message',
  'code',
  'severity',
  'detail',
  'hint',
  'position',
  'internalPosition',
  'internalQuery',
  'where',
  'schema',
  'table',
  'column',
  'dataType',
  'constraint',
  'file',
  'line',
  'routine',
] as const

/** As `pg` tells it, in the extended protocol. */
async function errorOf(client: pg.Client, text: string): Promise<Record<string, unknown>> {
  try {
    await client.query({ text, queryMode: 'extended' } as unknown as pg.QueryConfig)
  } catch (error) {
    if (error instanceof pg.DatabaseError)
      return Object.fromEntries(FIELDS.map((name) => [name, error[name as keyof pg.DatabaseError] ?? null]))
  }
  throw new Error(`${text} did not fail`)
}

export const sqlErrors: readonly SqlCase[] = FAILING.map((text) => ({
  name: `${text} fails with every field that Postgres gives`,
  async run({ post, sql, pg: client }) {
    const wanted = await errorOf(client, text)
    const { status, json } = await post({ query: text, params: [] })
    expect([status, json]).toEqual([400, wanted])
    const error: NeonDbError = await sql.query(text).then(
      () => Promise.reject(new Error('it did not fail')),
      (reason: NeonDbError) => reason,
    )
    expect([error.name, error.message, error.code, error.constraint ?? null]).toEqual([
      'NeonDbError',
      wanted.message,
      wanted.code,
      wanted.constraint,
    ])
  },
}))

const malformed: readonly (readonly [what: string, body: string])[] = [
  ['a body that is not JSON', '{"query":'],
  ['no body', ''],
  ['null', 'null'],
  ['an array', '[]'],
  ['a query that is no text', '{"query": 1}'],
  ['parameters that are no list', '{"query": "select 1", "params": {}}'],
  ['queries that are no list', '{"queries": {}}'],
  ['a query of a batch without text', '{"queries": [{}]}'],
  ['a NUL in the text', '{"query": "select \\u0000"}'],
  ['a number beyond what JSON numbers hold', '{"query": "select $1::int8", "params": [9007199254740993]}'],
]

export const malformedBodies: readonly SqlCase[] = malformed.map(([what, body]) => ({
  name: `${what} is refused as the protocol refuses`,
  async run({ post }) {
    const { status, json } = await post(body)
    expect(status).toBe(400)
    expect(json).toMatchObject({ code: '08P01', severity: 'ERROR', message: expect.stringMatching(/./) })
    expect(Object.keys(json)).toEqual(FIELDS)
  },
}))
