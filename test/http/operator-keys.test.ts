import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type HttpWorld, startHttpWorld } from './http-world.ts'

let http: HttpWorld
let admin: string
beforeAll(async () => {
  http = await startHttpWorld(['acme'])
  admin = await http.operatorKey('admin')
})
afterAll(() => http[Symbol.asyncDispose]())

/** The one answer that holds a secret, so not among those that are searched for one. */
async function create(body: unknown): Promise<{ status: number; secret: string; id: string }> {
  const response = await http.operators.request('http://127.0.0.1/v1/keys', {
    method: 'POST',
    headers: { authorization: `Bearer ${admin}` },
    body: JSON.stringify(body),
  })
  // The shape of the route's answer.
  const { key, secret } = (await response.json()) as { key: { id: string }; secret: string }
  expect(response.headers.get('cache-control')).toBe('no-store')
  return { status: response.status, secret, id: key.id }
}

describe('POST /v1/keys', () => {
  it('makes a key that works at once, and is shown once', async () => {
    const made = await create({ scope: { kind: 'tenant', tenant: 'acme' }, name: 'ci' })
    expect(made.status).toBe(201)
    expect(made.secret).toMatch(/^tk_[a-z0-9]{12}_[A-Za-z0-9_-]{43}$/)
    const { json } = await http.ask('/v1/query', {
      key: made.secret,
      body: { sql: 'select tenant from notes limit 1' },
    })
    expect(json.rows).toEqual([{ tenant: 'acme' }])
    const listed = await http.operate('/v1/keys?tenant=acme', { key: admin })
    expect(listed.json.keys).toMatchObject([
      { id: made.id, name: 'ci', scope: { kind: 'tenant', tenant: 'acme' } },
    ])
    expect(listed.text).not.toContain(made.secret.slice(16))
    expect(listed.text).not.toContain('secretHash')
  })

  it.each([
    ['a scope that is none', { scope: { kind: 'root' } }, 400],
    ['a role that is none', { scope: { kind: 'operator', role: 'god' } }, 400],
    ['a tenant that is not there', { scope: { kind: 'tenant', tenant: 'nobody' } }, 404],
    ['a tenant id that is none', { scope: { kind: 'tenant', tenant: '__proto__' } }, 400],
  ])('refuses %s', async (_, body, status) => {
    expect((await http.operate('/v1/keys', { key: admin, body })).status).toBe(status)
  })
})

describe('DELETE /v1/keys/:id', () => {
  it('revokes at once, and again without harm', async () => {
    const { secret, id } = await create({ scope: { kind: 'service' } })
    const ask = () =>
      http.ask('/v1/query', { key: secret, body: { sql: 'select 1' }, headers: { 'x-tenant-id': 'acme' } })
    expect((await ask()).status).toBe(200)
    for (let time = 0; time < 2; time++) {
      const { status, json } = await http.operate(`/v1/keys/${id}`, { key: admin, method: 'DELETE' })
      expect(status).toBe(200)
      expect(json.revokedAt).toEqual(expect.any(String))
      expect((await ask()).status).toBe(401)
    }
  })

  it('answers 404 for a key that is not there', async () => {
    expect((await http.operate('/v1/keys/nothing', { key: admin, method: 'DELETE' })).status).toBe(404)
  })
})

describe('GET /v1/keys', () => {
  it('goes through pages', async () => {
    const seen: string[] = []
    for (let cursor = ''; ; ) {
      const { json } = await http.operate(`/v1/keys?limit=1${cursor && `&cursor=${cursor}`}`, { key: admin })
      seen.push(...json.keys.map((key: { id: string }) => key.id))
      if (json.next === null) break
      cursor = json.next
    }
    const { json } = await http.operate('/v1/keys', { key: admin })
    expect(seen).toEqual(json.keys.map((key: { id: string }) => key.id))
    expect(seen.length).toBeGreaterThan(1)
  })

  it.each(['limit=0', 'limit=1001', 'limit=x', 'limit=1&limit=2', 'color=red'])(
    'refuses ?%s',
    async (query) => {
      expect((await http.operate(`/v1/keys?${query}`, { key: admin })).status).toBe(400)
    },
  )
})
