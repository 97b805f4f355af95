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
