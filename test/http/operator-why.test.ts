import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { type HttpWorld, startHttpWorld } from './http-world.ts'

let http: HttpWorld
let viewer: string
let operator: string
beforeAll(async () => {
  http = await startHttpWorld(['acme'])
  viewer = await http.operatorKey('viewer')
  operator = await http.operatorKey('operator')
})
afterAll(() => http[Symbol.asyncDispose]())

describe('GET /v1/why/:id', () => {
  it('answers in words and in facts, by any name of the tenant', async () => {
    await http.alias('app.acme.example', 'acme')
    for (const name of ['acme', 'app.acme.example', 'acme.db.example.test']) {
      const { status, json } = await http.operate(`/v1/why/${name}`, { key: viewer })
      expect([status, json.tenant]).toEqual([200, 'acme'])
      expect(json.answer[0]).toMatch(/^acme is served/)
    }
  })

  it('says 404 with what was tried for a name that is nobody’s, whatever it looks like', async () => {
    for (const name of ['nobody', 'no.such.host', '..%2Fetc', '%F0%9F%90%98', 'x'.repeat(300)]) {
      const { status, json } = await http.operate(`/v1/why/${name}`, { key: viewer })
      expect([status, json.tenant]).toEqual([404, null])
      expect(json.tried.length).toBeGreaterThan(0)
    }
  })
})

describe('POST /v1/tenants/:id/warm', () => {
  it('opens one connection where there is none, and no more', async () => {
    const warm = () => http.operate('/v1/tenants/acme/warm', { key: operator, method: 'POST' })
    expect((await warm()).json).toMatchObject({ tenant: 'acme', opened: true })
    expect((await warm()).json).toMatchObject({ tenant: 'acme', opened: false })
    expect(await http.world.sessionsOf('acme')).toBe(1)
    http.world.router.evict('acme')
    await vi.waitFor(async () => expect(await http.world.sessionsOf('acme')).toBe(0))
  })

  it('refuses a tenant that is not there', async () => {
    const { status } = await http.operate('/v1/tenants/nobody/warm', { key: operator, method: 'POST' })
    expect(status).toBe(404)
  })
})

describe('POST /v1/tenants/:id/cancel', () => {
  it('ends what the tenant runs: its caller hears what Postgres says of that, and nobody else does', async () => {
    const key = await http.serviceKey()
    const body = { sql: 'select pg_sleep(20)' }
    const asked = http.ask('/v1/query', { key, body, headers: { 'x-tenant-id': 'acme' } })
    const cancel = (wanted: object) =>
      http.operate('/v1/tenants/acme/cancel', { key: operator, body: wanted })
    await vi.waitFor(async () =>
      expect((await cancel({ longerThanMs: 60_000 })).json).toMatchObject({ cancelled: 0, younger: 1 }),
    )
    expect((await cancel({})).json).toEqual({
      tenant: 'acme',
      cancelled: 1,
      goingOn: 0,
      younger: 0,
      idle: 0,
    })
    expect(await asked).toMatchObject({ status: 400, json: { code: 'sql_error', sqlstate: '57014' } })
  })

  it('refuses a tenant that is not there, and a time that is none', async () => {
    const ask = (path: string, body: object) => http.operate(path, { key: operator, body })
    expect((await ask('/v1/tenants/nobody/cancel', {})).status).toBe(404)
    expect((await ask('/v1/tenants/acme/cancel', { longerThanMs: -1 })).status).toBe(400)
  })
})

describe('GET /v1/doctor', () => {
  it('says what it found, of all servers or of one', async () => {
    const all = await http.operate('/v1/doctor', { key: operator })
    expect(all.status).toBe(200)
    expect(all.json).toMatchObject({ servers: 1, tenants: 1, repaired: [] })
    const both = await Promise.all(
      [1, 2].map(() => http.operate('/v1/doctor?server=main', { key: operator })),
    )
    expect(both[0]?.text).toBe(both[1]?.text)
    expect((await http.operate('/v1/doctor?server=nowhere', { key: operator })).json.code).toBe(
      'server_unknown',
    )
  })

  it('fixes only where it is asked to, as an admin', async () => {
    const refused = await http.operate('/v1/doctor/fix', { key: operator, method: 'POST' })
    expect(refused.status).toBe(403)
    const admin = await http.operatorKey('admin')
    const { status, json } = await http.operate('/v1/doctor/fix', { key: admin, body: { server: 'main' } })
    expect([status, json.servers]).toEqual([200, 1])
  })
})
