import { Hono } from 'hono'
import { apiKey, limited, type TenancyEnv, tenancy, tenancyErrors } from 'tenantry/hono'
import { createLimiter } from 'tenantry/redis'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { Limiter } from '../../src/limits/limiter.ts'
import { type HttpWorld, startHttpWorld } from './http-world.ts'
import { neonHeaders } from './neon-headers.ts'

const PLANS = {
  plans: {
    two: { requestsPerMinute: 2, windowSeconds: 60 as const },
    one: { concurrency: 1 },
    both: { requestsPerMinute: 600, concurrency: 3 },
  },
}

let http: HttpWorld
const keys: Record<string, string> = {}
beforeAll(async () => {
  const limits: { limiter?: Limiter } = {}
  // A limiter needs the router of a world that is not there yet.
  const limiter: Pick<Limiter, 'enter' | 'look'> = {
    enter: (record) => made().enter(record),
    look: (record) => made().look(record),
  }
  const made = () => (limits.limiter ??= new Limiter({ router: http.world.router }, { plans: PLANS }))
  http = await startHttpWorld(['acme', 'alone', 'sql', 'free', 'app'], { tenantApp: { limiter } })
  const plans = { acme: 'two', alone: 'one', sql: 'two', app: 'both' }
  for (const [id, plan] of Object.entries(plans))
    await http.world.change(id, (record) => ({ ...record, labels: { plan } }))
  for (const id of ['acme', 'alone', 'sql', 'free', 'app']) keys[id] = await http.tenantKey(id)
})
afterAll(() => http[Symbol.asyncDispose]())

const key = (id: string) => keys[id] ?? ''
const query = (id: string, body: object = { sql: 'select 1' }) =>
  http.ask('/v1/query', { key: key(id), body })

describe('429', () => {
  it('rate_limited: says in headers what is allowed and left, and when to come again', async () => {
    const first = await query('acme')
    expect([first.status, first.headers.get('ratelimit-policy')]).toEqual([200, '"requests";q=2;w=60'])
    expect(first.headers.get('ratelimit')).toMatch(/^"requests";r=1;t=6\d$/)
    const second = await http.ask('/v1/transaction', {
      key: key('acme'),
      body: { statements: [{ sql: 'select 1' }] },
    })
    expect(second.headers.get('ratelimit')).toMatch(/^"requests";r=0;t=\d+$/)
    const refused = await query('acme')
    expect(refused.status).toBe(429)
    expect(refused.json).toMatchObject({
      code: 'rate_limited',
      detail: expect.stringContaining('2 requests per minute'),
    })
    expect(refused.headers.get('ratelimit')).toMatch(/^"requests";r=0;t=\d+$/)
    const after = Number(refused.headers.get('retry-after'))
    expect(after).toBe(refused.json.retryAfterSeconds)
    expect(after).toBeGreaterThan(40)
    expect(after).toBeLessThanOrEqual(62)
  })

  it('rate_limited: keeps nobody else out, shows the tenant what it has used, and operators all', async () => {
    const other = await query('free')
    expect([other.status, other.headers.get('ratelimit-policy')]).toEqual([200, null])
    const { status, json } = await http.ask('/v1/tenant', { key: key('acme') })
    expect(status).toBe(200)
    expect(json.limits).toMatchObject({ requestsPerMinute: 2, concurrency: null, overrideUntil: null })
    expect(json.use.requests).toEqual({ left: 0, resetSeconds: expect.any(Number), active: null })
    const operator = await http.operatorKey('viewer')
    for (let asked = 0; asked < 5; asked++)
      expect((await http.operate('/v1/tenants/acme', { key: operator })).status).toBe(200)
  })

  it('rate_limited: is over where an operator gives the tenant more for a time', async () => {
    const until = new Date(Date.now() + 60_000).toISOString()
    const operator = await http.operatorKey('operator')
    const body = { override: { requestsPerMinute: 6_000, until } }
    await http.operate('/v1/tenants/acme', { key: operator, method: 'PATCH', body })
    await vi.waitFor(async () => expect((await query('acme')).status).toBe(200))
  })

  it('concurrency_limited: counts a stream until its client has it all, or has left', async () => {
    const open = () =>
      http.tenants.request('http://127.0.0.1/v1/query', {
        method: 'POST',
        headers: { authorization: `Bearer ${key('alone')}` },
        body: JSON.stringify({
          sql: 'select repeat($1, 1000) from generate_series(1, 5000)',
          params: ['x'],
          format: 'ndjson',
        }),
      })
    for (const end of [
      (body: Response['body']) => body?.cancel(),
      (body: Response['body']) => new Response(body).text(),
    ]) {
      const stream = await vi.waitFor(async () => {
        const answer = await open()
        expect(answer.status).toBe(200)
        return answer
      })
      expect(stream.headers.get('ratelimit')).toBe('"concurrency";r=0')
      const refused = await query('alone')
      expect([refused.status, refused.json.code]).toEqual([429, 'concurrency_limited'])
      expect(refused.headers.get('retry-after')).toBe('1')
      expect(refused.headers.get('ratelimit-policy')).toBe('"concurrency";q=1;qu="concurrent-requests"')
      await end(stream.body)
      await vi.waitFor(async () => expect((await query('alone')).status).toBe(200))
    }
  })

  it('concurrency_limited: ends with a request that failed', async () => {
    for (let asked = 0; asked < 3; asked++)
      expect((await query('alone', { sql: 'select 1/0' })).status).toBe(400)
    expect((await query('alone', {})).json.code).toBe('invalid_request')
    expect((await query('alone')).status).toBe(200)
  })

  it('also on /sql', async () => {
    const ask = () =>
      http.ask('/sql', {
        host: 'api.db.example.test',
        headers: neonHeaders(key('sql'), 'sql'),
        body: { query: 'select 1' },
      })
    const statuses = [(await ask()).status, (await ask()).status, (await ask()).status]
    expect(statuses).toEqual([200, 200, 429])
  })
})

describe('limited() in an application', () => {
  const appOf = (onError: boolean) => {
    const { router } = http.world
    const limiter = createLimiter({ router, plans: PLANS })
    const app = new Hono<TenancyEnv>()
    app.use(tenancy({ router, resolve: [apiKey()] }), limited({ limiter }))
    app.get('/', async (c) => c.json(await c.var.sql`select 1 as one`))
    app.get('/slow', (c) => c.body(new ReadableStream<Uint8Array>()))
    if (onError) app.onError(tenancyErrors())
    return (path = '/', method = 'GET') =>
      app.request(path, { method, headers: { authorization: `Bearer ${key('app')}` } })
  }

  it.each([true, false])('answers problems and headers, with tenancyErrors: %s', async (onError) => {
    const ask = appOf(onError)
    const first = await ask()
    expect([first.status, await first.json()]).toEqual([200, [{ one: 1 }]])
    expect(first.headers.get('ratelimit')).toBe('"requests";r=99;t=11, "concurrency";r=2')
    const streams = [await ask('/slow'), await ask('/slow'), await ask('/slow')]
    const refused = await ask()
    expect(refused.status).toBe(429)
    expect(await refused.json()).toMatchObject({ code: 'concurrency_limited', retryAfterSeconds: 1 })
    expect(refused.headers.get('ratelimit')).toMatch(/"concurrency";r=0$/)
    expect(refused.headers.get('retry-after')).toBe('1')
    for (const stream of streams) await stream.body?.cancel()
    expect((await ask()).status).toBe(200)
  })

  it('counts a request as over whose body nobody reads, as of HEAD', async () => {
    const ask = appOf(true)
    const statuses: number[] = []
    for (let count = 0; count < 4; count++) statuses.push((await ask('/slow', 'HEAD')).status)
    expect(statuses).toEqual([200, 200, 200, 200])
  })

  it('says so where nothing before it names a tenant', async () => {
    const app = new Hono()
    app.use(limited({ limiter: createLimiter({ router: http.world.router }) }))
    const answer = await app.request('/')
    expect([answer.status, await answer.json()]).toEqual([
      400,
      expect.objectContaining({ code: 'no_tenant' }),
    ])
  })
})
