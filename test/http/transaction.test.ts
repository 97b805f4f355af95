import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Ask, type HttpWorld, startHttpWorld } from './http-world.ts'

const TRANSACTION = '/v1/transaction'
let http: HttpWorld
let key: string
let serviceKey: string

beforeAll(async () => {
  http = await startHttpWorld(['acme'])
  key = await http.tenantKey('acme')
  serviceKey = await http.serviceKey()
})
afterAll(() => http[Symbol.asyncDispose]())

const run = (body: unknown, ask: Ask = {}) => http.ask(TRANSACTION, { key, body, ...ask })
const insert = (id: number) => ({ sql: "insert into notes values ($1, 'acme', 'new')", params: [id] })
const count = async (id: number) => {
  const sql = 'select count(*)::int from notes where id = $1'
  return (await http.ask('/v1/query', { key, body: { sql, params: [id] } })).json.rows[0].count
}

describe('200', () => {
  it('runs all statements in one transaction and answers each', async () => {
    const statements = [
      insert(100),
      { sql: 'select id from notes where id = 100' },
      { sql: 'select txid_current()::text' },
    ]
    const { status, json } = await run({ statements, isolation: 'serializable', rowMode: 'array' })
    expect(status).toBe(200)
    expect(json.results.map((one: { command: string }) => one.command)).toEqual([
      'INSERT',
      'SELECT',
      'SELECT',
    ])
    expect(json.results[1].rows).toEqual([[100]])
    expect(await count(100)).toBe(1)
  })

  it.each(['read committed', 'repeatable read', 'serializable'])(
    'runs at the isolation level %s',
    async (isolation) => {
      const { json } = await run({ statements: [{ sql: 'show transaction_isolation' }], isolation })
      expect(json.results[0].rows).toEqual([{ transaction_isolation: isolation }])
    },
  )

  it('serves a service key alike', async () => {
    const headers = { 'x-tenant-id': 'acme' }
    const { json } = await run({ statements: [insert(101)] }, { key: serviceKey, headers })
    expect(json.results[0]).toMatchObject({ rowCount: 1, command: 'INSERT' })
    expect(await count(101)).toBe(1)
  })
})

describe('400', () => {
  it('takes back all statements when one fails, also at the end', async () => {
    const failed = await run({ statements: [insert(200), { sql: 'select 1/0' }] })
    expect([failed.status, failed.json.sqlstate]).toEqual([400, '22012'])
    expect(await count(200)).toBe(0)
    await http.world.execute(
      'acme',
      `create table child (note int references notes deferrable initially deferred);
       grant insert on child to ${http.world.placeOf('acme').role}`,
    )
    const deferred = await run({ statements: [insert(201), { sql: 'insert into child values (777)' }] })
    expect([deferred.status, deferred.json.sqlstate]).toEqual([400, '23503'])
    expect(await count(201)).toBe(0)
  })

  it.each([
    'commit',
    'COMMIT AND CHAIN',
    '  -- a comment\r commit',
    '/* one /* inside */ other */ ;; rollback',
    'end',
    'abort',
    'savepoint a',
    'start transaction',
    "prepare transaction 'x'",
  ])('lets no %j out of its transaction, and runs nothing', async (sql) => {
    const { status, json } = await run({ statements: [insert(300), { sql }, insert(301)] })
    expect([status, json.code]).toEqual([400, 'invalid_request'])
    expect(await count(300)).toBe(0)
  })

  it.each([
    'set transaction read write',
    'set local transaction_read_only = off',
    'set transaction_read_only = off',
    "select set_config('transaction_read_only', 'off', false)",
    'reset transaction_read_only',
    'reset all',
    'do $$ begin commit; end $$',
  ])('keeps a read-only transaction read-only after %j', async (sql) => {
    const { json } = await run({ statements: [{ sql }, insert(400)], readOnly: true })
    expect(json.code).toBe('sql_error')
    expect(await count(400)).toBe(0)
  })

  it.each([
    ['no statement', { statements: [] }],
    ['too many statements', { statements: Array.from({ length: 1_001 }, () => ({ sql: 'select 1' })) }],
    ['an isolation level that is none', { statements: [{ sql: 'select 1' }], isolation: 'chaos' }],
    ['two statements in one', { statements: [{ sql: 'select 1; commit' }] }],
  ])('refuses %s', async (_, body) => {
    expect((await run(body)).status).toBe(400)
  })
})

describe('504', () => {
  it('bounds all statements together and takes them back', async () => {
    const sleep = { sql: 'select pg_sleep(0.15)' }
    const { status, json } = await run({ statements: [insert(500), sleep, sleep, sleep], timeoutMs: 200 })
    expect([status, json.code]).toEqual([504, 'statement_timeout'])
    expect(await count(500)).toBe(0)
  })
})

describe('507', () => {
  it('caps the rows of all statements together and takes back what they did', async () => {
    const many = { sql: 'select generate_series(1, 600)' }
    const { status, json } = await run({ statements: [insert(600), many, many] })
    expect([status, json.code]).toEqual([507, 'result_too_large'])
    expect(await count(600)).toBe(0)
  })
})
