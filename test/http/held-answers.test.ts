import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { HeldBytes } from '../../src/query/held-bytes.ts'
import { parseTenantId } from '../../src/tenant/tenant-id.ts'
import { type HttpWorld, startHttpWorld } from './http-world.ts'

const MAX_BYTES = 2_000_000

let http: HttpWorld
beforeAll(async () => {
  http = await startHttpWorld(['acme', 'globex', 'initech'], { tenantApp: { maxBufferedBytes: MAX_BYTES } })
})
afterAll(() => http[Symbol.asyncDispose]())

const LARGE = { sql: "select repeat('x', 900000) as x" }

/** An answer of which nothing is read until someone does. */
async function unread(tenant: string): Promise<Response> {
  return http.tenants.request('http://127.0.0.1/v1/query', {
    method: 'POST',
    headers: { authorization: `Bearer ${await http.tenantKey(tenant)}` },
    body: JSON.stringify(LARGE),
  })
}
const ask = async (tenant: string, body: unknown = LARGE) =>
  http.ask('/v1/query', { key: await http.tenantKey(tenant), body })

describe('answers that are being sent', () => {
  it('take half of what all may hold for one tenant, all of it for several, and give it back', async () => {
    const first = await unread('acme')
    const refused = await ask('acme')
    expect([refused.status, refused.json.code, refused.headers.get('retry-after')]).toEqual([
      503,
      'answers_full',
      '1',
    ])
    expect((await ask('acme', { sql: 'select 1 as one' })).json.rows).toEqual([{ one: 1 }])
    const second = await unread('globex')
    expect((await ask('initech')).json.code).toBe('answers_full')
    expect((await first.text()).length).toBeGreaterThan(900_000)
    await vi.waitFor(async () => expect((await ask('initech')).status).toBe(200))
    await second.body?.cancel()
    await vi.waitFor(async () => expect((await ask('acme')).status).toBe(200))
  })

  it('refuse also a transaction, and a stream whose rows come faster than they may be held', async () => {
    const held = await unread('acme')
    const key = await http.tenantKey('acme')
    const transaction = await http.ask('/v1/transaction', { key, body: { statements: [LARGE] } })
    expect(transaction.json.code).toBe('answers_full')
    expect((await ask('acme', { ...LARGE, format: 'csv' })).json.code).toBe('answers_full')
    await held.body?.cancel()
    await vi.waitFor(async () => expect((await ask('acme', { ...LARGE, format: 'csv' })).status).toBe(200))
  })
})

describe('what is held', () => {
  const acme = parseTenantId('acme')

  it('is counted once, given back once, and not at all for a statement that nobody waits for', () => {
    const all = new HeldBytes(100)
    const answer = all.open(acme)
    expect(answer.count(40)).toBeUndefined()
    expect(answer.count(40)).toMatchObject({ code: 'answers_full' })
    expect(all.bytes).toBe(40)
    answer.shrinkTo(50)
    expect(all.bytes).toBe(40)
    answer.shrinkTo(10)
    expect(all.bytes).toBe(10)
    answer[Symbol.dispose]()
    answer[Symbol.dispose]()
    expect(answer.count(30)).toBeUndefined()
    expect(all.bytes).toBe(0)
  })
})
