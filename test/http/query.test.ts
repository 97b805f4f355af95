import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PARAMETER_CANARY as CANARY } from '../support/canary.ts'
import { type Ask, BASE_DOMAIN, type HttpWorld, startHttpWorld } from './http-world.ts'

const QUERY = '/v1/query'
let http: HttpWorld
let acmeKey: string
let serviceKey: string

beforeAll(async () => {
  http = await startHttpWorld(['acme', 'globex', 'asleep', 'shared-role'])
  await http.world.change('asleep', (record) => ({ ...record, status: 'suspended' }))
  await http.world.change('shared-role', (record) => ({ ...record, isolation: null }))
  acmeKey = await http.tenantKey('acme')
  serviceKey = await http.serviceKey()
})

afterAll(() => http[Symbol.asyncDispose]())

const asAcme = (body: unknown, ask: Ask = {}) => http.ask(QUERY, { key: acmeKey, body, ...ask })
const asService = (tenant: string, body: unknown) =>
  http.ask(QUERY, { key: serviceKey, body, headers: { 'x-tenant-id': tenant } })

describe('200', () => {
  it("answers each tenant's own rows to its own key, and any tenant's to a service key", async () => {
    const body = { sql: 'select tenant from notes where id = $1', params: [1] }
    expect((await asAcme(body)).json.rows).toEqual([{ tenant: 'acme' }])
    expect((await asService('acme', body)).json.rows).toEqual([{ tenant: 'acme' }])
    expect((await asService('globex', body)).json.rows).toEqual([{ tenant: 'globex' }])
  })

  it('describes fields, counts rows and names the command', async () => {
    const { json, status, headers } = await asAcme({
      sql: 'select id, tenant from notes order by id limit 2',
    })
    expect(status).toBe(200)
    expect(headers.get('content-type')).toBe('application/json')
    expect(json).toMatchObject({ rowCount: 2, command: 'SELECT' })
    expect(json.fields).toMatchObject([
      { name: 'id', dataTypeID: 23, columnID: 1 },
      { name: 'tenant', dataTypeID: 25, columnID: 2 },
    ])
    expect((await asAcme({ sql: 'set lock_timeout to 1000' })).json).toEqual({
      fields: [],
      rows: [],
      rowCount: null,
      command: 'SET',
    })
  })

  it('keeps both columns of one name in arrays, and the last in objects', async () => {
    const sql = 'select 1 as a, 2 as b, 3 as a'
    expect((await asAcme({ sql, rowMode: 'array' })).json.rows).toEqual([[1, 2, 3]])
    expect((await asAcme({ sql })).json.rows).toEqual([{ b: 2, a: 3 }])
  })

  it('finds the tenant by host label, by host alias and by header, in any case and with a port', async () => {
    await http.alias('data.customer.test', 'globex')
    const body = { sql: 'select tenant from notes limit 1' }
    const hosts = [
      `globex.${BASE_DOMAIN}`,
      `GLOBEX.${BASE_DOMAIN}:3000`,
      `globex.${BASE_DOMAIN}.`,
      'data.customer.test',
    ]
    for (const host of hosts) {
      const { json } = await http.ask(QUERY, { key: serviceKey, body, host })
      expect({ host, rows: json.rows }).toEqual({ host, rows: [{ tenant: 'globex' }] })
    }
    const own = await asAcme(body, { host: `acme.${BASE_DOMAIN}`, headers: { 'x-tenant-id': 'acme' } })
    expect(own.json.rows).toEqual([{ tenant: 'acme' }])
  })

  it('keeps nothing of one request of a tenant key for the next', async () => {
    await asAcme({ sql: "set search_path to 'nowhere'" })
    await asAcme({ sql: 'prepare planted as select 1' })
    await asAcme({ sql: 'create temp table mine (id int)' })
    await asAcme({ sql: 'begin' })
    expect((await asAcme({ sql: 'show search_path' })).json.rows).toEqual([
      { search_path: '"$user", public' },
    ])
    expect((await asAcme({ sql: 'select count(*)::int from pg_prepared_statements' })).json.rows).toEqual([
      { count: 0 },
    ])
    expect((await asAcme({ sql: 'select * from mine' })).json.sqlstate).toBe('42P01')
  })

  it('runs a request that says readOnly, or whose key does, without letting it write', async () => {
    const reader = await http.tenantKey('acme', { readOnly: true })
    const write = { sql: "insert into notes values (900, 'x', 'x')" }
    expect((await asAcme({ ...write, readOnly: true })).json.sqlstate).toBe('25006')
    expect((await asAcme(write, { key: reader })).json.sqlstate).toBe('25006')
    const read = { sql: 'select count(*)::int from notes where id = 900' }
    expect((await asAcme({ ...read, readOnly: true })).json.rows).toEqual([{ count: 0 }])
  })
})

describe('400', () => {
  it('tells a name that nobody knows, and of a long one its beginning', async () => {
    const short = await asAcme({ sql: 'select 1', sqll: 1 })
    expect([short.status, short.json.detail]).toEqual([400, expect.stringContaining('sqll')])
    const long = await asAcme({ sql: 'select 1', ['x'.repeat(50_000)]: 1 })
    expect(long.status).toBe(400)
    expect(long.text.length).toBeLessThan(1_000)
  })

  it.each([
    ['no JSON', '{"sql": ', 'invalid_request'],
    ['no body', '', 'invalid_request'],
    ['no sql', { params: [] }, 'invalid_request'],
    ['a field that is none', { sql: 'select 1', fetch: 'all' }, 'invalid_request'],
    ['params that are no list', { sql: 'select 1', params: { a: 1 } }, 'invalid_request'],
    ['a time above the limit', { sql: 'select 1', timeoutMs: 10_001 }, 'invalid_request'],
    ['a NUL in the text', { sql: 'select 1\0garbage' }, 'invalid_request'],
    [
      'a number that JSON cannot hold',
      '{"sql":"select $1::int8","params":[9007199254740993]}',
      'invalid_request',
    ],
    ['a number that is none any more', '{"sql":"select $1::text","params":[1e400]}', 'invalid_request'],
    ['one in a document', '{"sql":"select $1::json","params":[{"a":[-1e400]}]}', 'invalid_request'],
    ['two statements', { sql: 'select 1; select 2' }, 'sql_error'],
    ['too few parameters', { sql: 'select $1::int + $2::int', params: [1] }, 'sql_error'],
    ['too many parameters', { sql: 'select $1::int', params: [1, 2] }, 'sql_error'],
    ['a statement that Postgres refuses', { sql: 'select nothing from nowhere' }, 'sql_error'],
    ['a parameter of the wrong type', { sql: 'select $1::int', params: ['x'] }, 'sql_error'],
    ['COMMIT in a read-only request', { sql: '/* x */ commit', readOnly: true }, 'invalid_request'],
  ])('refuses %s', async (_, body, code) => {
    const { status, json, headers } = await asAcme(body)
    expect(json).toMatchObject({ status: 400, code, type: `urn:tenantry:problem:${code}` })
    expect(status).toBe(400)
    expect(headers.get('content-type')).toBe('application/problem+json')
    expect(json.requestId).toBe(headers.get('x-request-id'))
  })

  it('passes on what Postgres says of the statement, and nothing of the server', async () => {
    const { json } = await asAcme({ sql: 'select nowhere.x' })
    expect(json).toMatchObject({ sqlstate: '42P01', sql: { position: '8', severity: 'ERROR' } })
    expect(Object.keys(json.sql)).not.toContain('file')
    expect(Object.keys(json.sql)).not.toContain('routine')
  })

  it.each(['__proto__', '..', 'a'.repeat(41), 'ａｃｍｅ', 'Acme', 'acme,globex', 'acme, acme', '-a', ''])(
    'refuses the tenant id %j',
    async (id) => {
      const headers = { 'x-tenant-id': id === 'ａｃｍｅ' ? Buffer.from(id).toString('latin1') : id }
      const { status, json } = await http.ask(QUERY, { key: serviceKey, body: { sql: 'select 1' }, headers })
      expect(status).toBe(400)
      expect(['invalid_tenant_id', 'invalid_request']).toContain(json.code)
    },
  )

  it('refuses a service key that names no tenant, by header or by host', async () => {
    for (const host of ['127.0.0.1', 'localhost:3000', BASE_DOMAIN, `www.${BASE_DOMAIN}`, 'unknown.test']) {
      const { status, json } = await http.ask(QUERY, { key: serviceKey, body: { sql: 'select 1' }, host })
      expect([host, status, json.code]).toEqual([host, 400, 'no_tenant'])
    }
  })
})

describe('405', () => {
  it('names the methods that a route has', async () => {
    const { status, json, headers } = await http.ask(QUERY, { key: acmeKey })
    expect([status, json.code, headers.get('allow')]).toEqual([405, 'method_not_allowed', 'POST'])
  })
})

describe('413', () => {
  const big = JSON.stringify({ sql: `select '${'x'.repeat(100_000)}'` })

  it('refuses a body whose length says that it is over the cap, and one that is counted over it', async () => {
    const told = await asAcme(big, { headers: { 'content-length': String(big.length) } })
    expect([told.status, told.json.code]).toEqual([413, 'body_too_large'])
    const counted = await asAcme(big)
    expect([counted.status, counted.json.code]).toEqual([413, 'body_too_large'])
  })
})

describe('504', () => {
  it('cancels a statement at its time limit, and the connection serves the next', async () => {
    const startedAt = performance.now()
    const { status, json } = await asAcme({ sql: 'select pg_sleep(30)', timeoutMs: 100 })
    expect([status, json.code]).toEqual([504, 'statement_timeout'])
    expect(performance.now() - startedAt).toBeLessThan(1_100)
    expect((await asAcme({ sql: 'select 1 as one' })).json.rows).toEqual([{ one: 1 }])
    const running =
      'select count(*)::int from pg_stat_activity where query like $1 and pid <> pg_backend_pid()'
    expect((await asAcme({ sql: running, params: ['%pg_sleep(30)%'] })).json.rows).toEqual([{ count: 0 }])
  })

  it("holds also against a statement that lifts the server's own limit", async () => {
    const sql = "select set_config('statement_timeout', '0', false), pg_sleep(30)"
    expect((await asAcme({ sql, timeoutMs: 100 })).json.code).toBe('statement_timeout')
  })
})

/** Twenty columns that cost four bytes each on the socket, and their names as JSON. */
const LONG_NAMES = Array.from({ length: 20 }, (_, n) => `null as ${'x'.repeat(60)}${n}`).join(', ')

describe('507', () => {
  it.each([
    ['rows', 'select n from generate_series(1, 1001) n'],
    ['bytes on the socket', "select repeat('x', 1100000)"],
    ['bytes as JSON', `select ${LONG_NAMES} from generate_series(1, 1000)`],
  ])('refuses an answer over its cap of %s, and the connection serves the next', async (_, sql) => {
    const { status, json } = await asAcme({ sql })
    expect([status, json.code]).toEqual([507, 'result_too_large'])
    expect((await asAcme({ sql: 'select 1 as one' })).json.rows).toEqual([{ one: 1 }])
  })

  it('tells that what it refuses to answer may have taken effect', async () => {
    const write = "with written as (insert into notes values (900, 'acme', 'new'))"
    const { json } = await asAcme({ sql: `${write} select ${LONG_NAMES} from generate_series(1, 1000)` })
    expect(json).toMatchObject({ code: 'result_too_large', detail: expect.stringContaining('taken effect') })
    expect((await asAcme({ sql: 'delete from notes where id = 900' })).json.rowCount).toBe(1)
  })
})

describe('what is kept secret', () => {
  it('echoes no parameter, in problems or in the log', async () => {
    await asAcme({ sql: 'select $1::text; select 2', params: [CANARY] })
    await asAcme({ sql: 'select $1', params: { [CANARY.length]: CANARY } })
    await asAcme({ sql: 'select $1::text, pg_sleep(30)', params: [CANARY], timeoutMs: 50 })
    await asAcme(`{"sql": "select 1", "params": ["${CANARY}"`)
    await asService('acme', { sql: 'select 1/0 where $1 = $1', params: [CANARY] })
    expect(http.leaks()).toEqual([])
  })
})
