import { Hono } from 'hono'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { PoolEventStreams } from '../../src/http/admin/pool-event-streams.ts'
import { poolEvents } from '../../src/http/admin/pool-routes.ts'
import { KeyVerifier } from '../../src/resolve/key-verifier.ts'
import { type HttpWorld, startHttpWorld } from './http-world.ts'

let http: HttpWorld
let viewer: string
let serviceKey: string
beforeEach(async () => {
  http = await startHttpWorld(['acme', 'globex'])
  viewer = await http.operatorKey('viewer')
  serviceKey = await http.serviceKey()
})
afterEach(() => http[Symbol.asyncDispose]())

const query = (tenant: string) =>
  http.ask('/v1/query', { key: serviceKey, body: { sql: 'select 1' }, headers: { 'x-tenant-id': tenant } })

/** Reads events as they come, until `last`. */
async function readUntil(response: Response, last: string): Promise<string[]> {
  const names: string[] = []
  let text = ''
  for await (const chunk of response.body ?? []) {
    text += Buffer.from(chunk as Uint8Array).toString()
    names.splice(0, names.length, ...[...text.matchAll(/^event: (\w+)$/gm)].map(([, name = '']) => name))
    if (names.includes(last)) break
  }
  http.keep(text)
  return names
}

describe('GET /v1/pools', () => {
  it('shows a pool warm after a query, and gone after its eviction', async () => {
    expect((await http.operate('/v1/pools', { key: viewer })).json.pools).toEqual([])
    await query('acme')
    const warm = (await http.operate('/v1/pools', { key: viewer })).json
    expect(warm.pools).toMatchObject([{ tenant: 'acme', server: 'main', idle: 1, leased: 0, waiting: 0 }])
    expect(warm.connections).toMatchObject({ out: 1, limit: 100 })
    expect(await http.world.sessionsOf('acme')).toBe(1)
    const operator = await http.operatorKey('operator')
    const evicted = await http.operate('/v1/tenants/acme/evict', { key: operator, method: 'POST' })
    expect(evicted.json).toEqual({ tenant: 'acme', connections: 1 })
    await vi.waitFor(async () => {
      expect((await http.operate('/v1/pools', { key: viewer })).json.pools).toEqual([])
      expect(await http.world.sessionsOf('acme')).toBe(0)
    })
  })

  it('does not evict a tenant that is not there', async () => {
    const key = await http.operatorKey('operator')
    const { status, json } = await http.operate('/v1/tenants/nobody/evict', { key, method: 'POST' })
    expect([status, json.code]).toEqual([404, 'tenant_unknown'])
  })
})

describe('GET /v1/pools/events', () => {
  it('begins with a snapshot and goes on with what happens', async () => {
    const response = await http.follow('/v1/pools/events', viewer)
    expect(response.headers.get('content-type')).toBe('text/event-stream')
    const events = readUntil(response, 'evicted')
    await query('acme')
    http.world.router.evict('acme')
    expect(await events).toEqual(['snapshot', 'opened', 'closed', 'evicted'])
  })

  it('lets only so many clients follow, and a place is free when one leaves', async () => {
    const [first] = [
      await http.follow('/v1/pools/events', viewer),
      await http.follow('/v1/pools/events', viewer),
    ]
    const refused = await http.operate('/v1/pools/events', { key: viewer })
    expect([refused.status, refused.json.code]).toEqual([503, 'too_many_streams'])
    expect(refused.headers.get('retry-after')).toBe('10')
    await first?.body?.cancel()
    expect((await http.follow('/v1/pools/events', viewer)).status).toBe(200)
  })

  it('takes no place for HEAD', async () => {
    const heads = [1, 2, 3].map(() => http.operate('/v1/pools/events', { key: viewer, method: 'HEAD' }))
    for (const { status, headers } of await Promise.all(heads))
      expect([status, headers.get('content-type')]).toEqual([200, 'text/event-stream'])
    const response = await http.follow('/v1/pools/events', viewer)
    expect(response.status).toBe(200)
    await response.body?.cancel()
  })

  it('ends the stream of a client that does not read', async () => {
    const response = await http.follow('/v1/pools/events', viewer)
    for (let n = 0; n < 4; n++) {
      await query('acme')
      http.world.router.evict('acme')
      await vi.waitFor(() => expect(http.world.router.stats().pools).toEqual([]))
    }
    const events = await readUntil(response, 'never')
    expect(events.length).toBeLessThanOrEqual(8)
  })

  it('ends for a client whose key is revoked meanwhile, and goes on for the others', async () => {
    const { router, directory } = http.world
    const events = new PoolEventStreams(router, { heartbeatMs: 20 })
    const app = new Hono().get('/', poolEvents(events, new KeyVerifier(directory)))
    const follow = (key: string) => app.request('/', { headers: { authorization: `Bearer ${key}` } })
    const [ending, lasting] = [await follow(viewer), await follow(await http.operatorKey('viewer'))]
    const admin = await http.operatorKey('admin')
    await http.operate(`/v1/keys/${viewer.slice(3, 15)}`, { key: admin, method: 'DELETE' })
    expect(await readUntil(ending, 'never')).toEqual(['snapshot'])
    const rest = readUntil(lasting, 'evicted')
    await query('acme')
    router.evict('acme')
    expect(await rest).toContain('evicted')
    events.close()
  })

  it('ends when the service does', async () => {
    const response = await http.follow('/v1/pools/events', viewer)
    http.events.close()
    expect(await readUntil(response, 'never')).toEqual(['snapshot'])
    expect((await http.operate('/v1/pools/events', { key: viewer })).json.code).toBe('router_closed')
  })
})

describe('probes', () => {
  it('are ready until draining, and alive all the time', async () => {
    const statuses = async () =>
      Promise.all(['/livez', '/readyz', '/startupz'].map(async (path) => (await http.operate(path)).status))
    expect(await statuses()).toEqual([200, 200, 200])
    http.health.drain()
    expect(await statuses()).toEqual([200, 503, 200])
    expect((await query('acme')).headers.get('connection')).toBe('close')
  })
})
