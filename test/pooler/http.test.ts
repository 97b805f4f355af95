import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { HttpWorld } from '../http/http-world.ts'
import { type PooledWorld, startPooledWorld } from './pooled-world.ts'

let ground: PooledWorld
let http: HttpWorld
let key: string
beforeAll(async () => {
  ground = await startPooledWorld(['acme'], { poolSize: 1, maxConnectionsPerTenant: 2 })
  http = new HttpWorld(ground.world, {})
  key = await http.serviceKey()
})
afterAll(async () => {
  // Whose world is that of the ground.
  await ground.pooler.stop()
  await http[Symbol.asyncDispose]()
})

const TENANT = { 'x-tenant-id': 'acme' }
const ask = (body: object, path = '/v1/query') => http.ask(path, { key, headers: TENANT, body })
const one = async () => (await ask({ sql: 'select 1 as one' })).json.rows

describe('over HTTP a tenant behind a transaction pooler', () => {
  it('has answers, read-only ones, and transactions', async () => {
    expect(await one()).toEqual([{ one: 1 }])
    expect((await ask({ sql: 'delete from notes', readOnly: true })).json.sqlstate).toBe('25006')
    const statements = [
      { sql: 'select count(*)::int as n from notes' },
      { sql: 'select $1 as p', params: ['x'] },
    ]
    const { json } = await ask({ statements, isolation: 'serializable' }, '/v1/transaction')
    expect(json.results.map(({ rows }: { rows: unknown }) => rows)).toEqual([[{ n: 20 }], [{ p: 'x' }]])
  })

  it.each([false, true])('has streams, whole and in their order (read-only: %s)', async (readOnly) => {
    const sql = 'select i from generate_series(1, 5000) i'
    const { text } = await ask({ sql, format: 'csv', readOnly })
    expect(text).toBe(`i\r\n${Array.from({ length: 5_000 }, (_, i) => `${i + 1}\r\n`).join('')}`)
    expect(await one()).toEqual([{ one: 1 }])
  })

  it('gives the backend back when the client of a stream leaves', async () => {
    const response = await http.tenants.request('http://127.0.0.1/v1/query', {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, ...TENANT },
      body: JSON.stringify({
        sql: "select repeat('x', 100000) from generate_series(1, 1000)",
        format: 'ndjson',
      }),
    })
    const reader = response.body?.getReader()
    await reader?.read()
    await reader?.cancel()
    expect(await one()).toEqual([{ one: 1 }])
  })

  it('is refused SQL of its own key, with what to do', async () => {
    for (const format of ['json', 'csv']) {
      const answer = await http.ask('/v1/query', {
        key: await http.tenantKey('acme'),
        body: { sql: 'select 1', format },
      })
      expect([answer.status, answer.json.code]).toEqual([400, 'unsupported'])
    }
  })
})
