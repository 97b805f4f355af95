import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type HttpWorld, startHttpWorld } from './http-world.ts'

let http: HttpWorld
let key: string
let service: string
beforeAll(async () => {
  http = await startHttpWorld(['acme'])
  key = await http.tenantKey('acme')
  service = await http.serviceKey()
})
afterAll(() => http[Symbol.asyncDispose]())

const asAcme = (body: unknown) => http.ask('/v1/query', { key, body })
const asService = (body: unknown) =>
  http.ask('/v1/query', { key: service, headers: { 'x-tenant-id': 'acme' }, body })
const callers = [
  ['a tenant', asAcme],
  ['a service', asService],
] as const

const linesOf = (text: string): unknown[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))

const EVERYTHING = `select 1 as i, 9007199254740993 as b, true as t, null as n, '' as empty, 'a"b' as quoted, e'x\\ny' as lines,
  '{"a": 1.10}'::json as j, array[1, null, 3] as list, 1.50::numeric as d, 'NaN'::float8 as f, date '2026-01-31' as day`

describe.each(callers)('a stream for %s', (_, ask) => {
  it('of JSON lines holds each row as a JSON answer has it, and how it ended', async () => {
    const plain = (await ask({ sql: EVERYTHING })).json
    const { status, headers, text } = await ask({ sql: EVERYTHING, format: 'ndjson' })
    expect([status, headers.get('content-type')]).toEqual([200, 'application/x-ndjson'])
    const { rows, ...end } = plain
    expect(linesOf(text)).toEqual([...rows, { end }])
  })

  it('of JSON lines has rows as arrays where they are wanted', async () => {
    const sql = 'select 1 as a, 2 as a'
    const { text } = await ask({ sql, format: 'ndjson', rowMode: 'array' })
    expect(linesOf(text)[0]).toEqual([1, 2])
  })

  it('of CSV has names first, the exact text of Postgres, NULL as nothing and the empty text in quotes', async () => {
    const { status, headers, text } = await ask({ sql: EVERYTHING, format: 'csv' })
    expect([status, headers.get('content-type')]).toEqual([200, 'text/csv; charset=utf-8; header=present'])
    expect(text).toBe(
      'i,b,t,n,empty,quoted,lines,j,list,d,f,day\r\n' +
        '1,9007199254740993,t,,"","a""b","x\ny","{""a"": 1.10}","{1,NULL,3}",1.50,NaN,2026-01-31\r\n',
    )
  })

  it.each([0, 1, 4, 5, 36, 1_292, 5_000])('has all of %i rows, in their order', async (n) => {
    const sql = `select i from generate_series(1, ${n}) i`
    const lines = linesOf((await ask({ sql, format: 'ndjson', rowMode: 'array' })).text)
    expect(lines.pop()).toMatchObject({ end: { rowCount: n, command: 'SELECT', fields: [{ name: 'i' }] } })
    expect(lines).toEqual(Array.from({ length: n }, (_row, index) => [index + 1]))
    const csv = (await ask({ sql, format: 'csv' })).text
    expect(csv.split('\r\n')).toHaveLength(n + 2)
  })

  it('holds more rows and bytes than a JSON answer may', async () => {
    const sql = "select repeat('x', 1000) from generate_series(1, 5000)"
    expect((await ask({ sql })).status).toBe(507)
    expect((await ask({ sql, format: 'csv' })).text).toHaveLength('repeat\r\n'.length + 5_000 * 1_002)
  })

  it.each([
    ['show server_encoding', { rowCount: null, command: 'SHOW' }, 1],
    ['explain select 1 union all select 2 union all select 3', { rowCount: null, command: 'EXPLAIN' }, 4],
    ['create temp table t (i int)', { rowCount: null, command: 'CREATE TABLE', fields: [] }, 0],
    ['values (1), (2)', { rowCount: 2, command: 'SELECT' }, 2],
    ['-- nothing', { rowCount: null, command: '' }, 0],
  ])('of %s ends too', async (sql, end, rows) => {
    const { text } = await ask({ sql, format: 'ndjson' })
    const lines = linesOf(text)
    expect(lines.at(-1)).toMatchObject({ end })
    expect(lines).toHaveLength(rows + 1)
  })
})
