import { type Context, Hono } from 'hono'
import { apiKey, header, host, jwt, path, type TenancyEnv, tenancy, tenancyErrors } from 'tenantry/hono'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Directory } from '../../../src/registry/directory.ts'
import { AUDIENCE, ISSUER, SigningKey } from '../../resolve/issuer.ts'
import { startWorld, type World } from '../../support/world.ts'
import { putAlias } from '../../support/world-keys.ts'
import { BASE, counted, keyOf, provedApp, sessionApp, told } from './ground.ts'

let world: World
let acme: string
let service: string
let issuer: SigningKey
beforeAll(async () => {
  world = await startWorld(['acme', 'globex', 'hooli'])
  issuer = await SigningKey.make('k1')
  acme = await keyOf(world, 'acme')
  service = await keyOf(world, { kind: 'service', labels: { plan: 'pro' } })
  await putAlias(world, 'hostname', 'db.globex.test', 'globex')
  await putAlias(world, 'external', 'org_2NxK', 'globex')
  await world.change('globex', (record) => ({ ...record, labels: { plan: 'pro' } }))
})
afterAll(() => world[Symbol.asyncDispose]())

const bearer = (token: string, more: Record<string, string> = {}) => ({
  headers: { authorization: `Bearer ${token}`, ...more },
})
const tokens = () =>
  jwt({
    issuer: ISSUER,
    audience: AUDIENCE,
    keys: { keys: [issuer.publicJwk] },
    algorithms: ['ES256'],
    tenantClaim: 'tenant',
  })
const all = () => provedApp(world, [apiKey(), tokens(), host(BASE), header(), path('/t/:tenant')])

describe('a caller with a credential', () => {
  it.each<[string, string, Record<string, string>]>([
    ['header', 'http://app.test/', { 'x-tenant-id': 'globex' }],
    ['host', `http://globex.${BASE}/`, {}],
    ['path', 'http://app.test/t/globex/x', {}],
    ['path, climbing', 'http://app.test/t/acme/%2e%2e/globex/x', {}],
    ['name of its own', 'http://db.globex.test/', {}],
    ['header, where the host is right', `http://acme.${BASE}/`, { 'x-tenant-id': 'globex' }],
    ['path, where the header is right', 'http://app.test/t/globex', { 'x-tenant-id': 'acme' }],
    ['header, though nobody has that name', 'http://app.test/', { 'x-tenant-id': 'nobody' }],
  ])('is refused another tenant by %s, as if there were none', async (_by, url, headers) => {
    const unknown = await told(
      all().request('http://app.test/', bearer(service, { 'x-tenant-id': 'nobody' })),
    )
    for (const token of [acme, await issuer.sign()]) {
      expect(await told(all().request(url, bearer(token, headers)))).toBe(unknown)
    }
  })

  it('is not looked up another tenant', async () => {
    const reads = counted(world)
    const app = provedApp(reads.served, [apiKey(), tokens(), host(BASE), header()])
    for (const token of [acme, await issuer.sign()]) {
      await app.request(`http://globex.${BASE}/`, bearer(token, { 'x-tenant-id': 'globex' }))
    }
    expect(reads.made.filter((read) => !read.startsWith('key'))).toEqual(['tenant acme', 'tenant acme'])
  })

  it.each<[string, string, Record<string, string>, number]>([
    ['its host', `http://acme.${BASE}/`, {}, 200],
    ['its header', 'http://app.test/', { 'x-tenant-id': 'acme' }, 200],
    ['its path', 'http://app.test/t/acme/x', {}, 200],
    ['nothing', 'http://app.test/', {}, 200],
    ['a host of nobody', 'http://internal.test/', {}, 200],
    ['a path that is encoded', 'http://app.test/t/..%2fglobex', {}, 400],
    ['a header in other letters', 'http://app.test/', { 'x-tenant-id': '__proto__' }, 400],
    ['two headers', 'http://app.test/', { 'x-tenant-id': 'acme, acme' }, 400],
    ['two hosts', 'http://app.test/', { host: 'acme.example.com, x.test' }, 400],
  ])('who names %s gets %s %j: %i', async (_by, url, headers, status) => {
    expect((await all().request(url, bearer(acme, headers))).status).toBe(status)
  })

  it('of a team is told which tenant to be, and may be those with its labels', async () => {
    const as = (url: string, more: Record<string, string> = {}) => all().request(url, bearer(service, more))
    expect(await (await as('http://db.globex.test/')).json()).toMatchObject({
      tenant: 'globex',
      rows: 'globex',
    })
    expect((await as('http://app.test/t/globex', { 'x-tenant-id': 'globex' })).status).toBe(200)
    expect((await as(`http://${BASE}/`)).status).toBe(400)
    const refused = await Promise.all([
      told(as('http://app.test/', { 'x-tenant-id': 'nobody' })),
      told(as('http://app.test/', { 'x-tenant-id': 'acme' })),
      told(as('http://app.test/t/globex', { 'x-tenant-id': 'acme' })),
      told(as('http://app.test/t/acme', { 'x-tenant-id': 'globex' })),
      told(as(`http://acme.${BASE}/t/globex`)),
      told(as('http://db.nobody.test/')),
    ])
    expect(new Set(refused).size).toBe(1)
  })

  it.each([
    'Bearer tk_x',
    `Bearer tk_${'a'.repeat(12)}_${'A'.repeat(43)}`,
    'Bearer a.b.c',
    'Basic YTpi',
    'Bearer',
  ])('that is %j gets 401 for whatever tenant', async (authorization) => {
    const answers = ['acme', 'nobody'].map((tenant) =>
      told(all().request('http://app.test/', { headers: { authorization, 'x-tenant-id': tenant } })),
    )
    const [first, second] = await Promise.all(answers)
    expect(first).toBe(second)
    expect(first).toMatch(/^\[401,.*"code":"unauthorized"/)
  })

  it('that may only read may use the methods that do', async () => {
    const key = await keyOf(world, 'acme', { readOnly: true })
    const status = async (method: string) =>
      (await all().request('http://app.test/', { method, ...bearer(key) })).status
    expect(
      await Promise.all(['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'DELETE', 'PATCH'].map(status)),
    ).toEqual([200, 200, 200, 403, 403, 403, 403])
  })

  it('is shown to the handler without what proved it', async () => {
    const app = new Hono<TenancyEnv>()
    app.use(tenancy({ router: world.router, resolve: [apiKey(), tokens()] }))
    app.get('/', (c) => c.json(c.var.caller))
    expect(await (await app.request('/', bearer(acme))).json()).toEqual({
      kind: 'key',
      id: acme.split('_')[1],
      scope: expect.objectContaining({ tenant: 'acme' }),
      readOnly: false,
    })
    expect(await (await app.request('/', bearer(await issuer.sign()))).json()).toMatchObject({
      kind: 'token',
      subject: 'user-1',
      claims: { tenant: 'acme' },
    })
  })
})

describe('a caller with a session', () => {
  const as = (user: string, url: string, more: Record<string, string> = {}) =>
    sessionApp(world, [host(BASE), header(), path('/t/:tenant')]).request(url, {
      headers: { cookie: `user=${user}`, ...more },
    })

  it.each<[string, string, Record<string, string>]>([
    ['unknown', `http://nobody.${BASE}/`, {}],
    ['foreign', `http://globex.${BASE}/`, {}],
    ['foreign, under a name of its own', 'http://db.globex.test/', {}],
    ['unknown, under a name that looks like one', 'http://db.nobody.test/', {}],
    ['foreign, by header', 'http://app.test/', { 'x-tenant-id': 'globex' }],
    ['foreign, by path', 'http://app.test/t/globex', {}],
    ['his own by host and another by header', `http://acme.${BASE}/`, { 'x-tenant-id': 'globex' }],
    ['his own by path and another by host', `http://globex.${BASE}/t/acme`, {}],
  ])('reads the same of a tenant that is %s', async (_what, url, headers) => {
    const unknown = await told(as('acme', 'http://app.test/', { 'x-tenant-id': 'no-such-tenant' }))
    expect(unknown).toMatch(/^\[404,.*"code":"tenant_unknown"/)
    expect(await told(as('acme', url, headers))).toBe(unknown)
  })

  it.each([
    ['suspended', 403],
    ['deleted', 410],
    ['moving', 423],
    ['failed', 503],
  ] as const)(
    'learns that a tenant is %s only as that tenant: %i, whatever the handler does',
    async (status, code) => {
      const app = new Hono<TenancyEnv>()
      const authorize = (c: Context, tenant: string) => c.req.header('cookie') === `user=${tenant}`
      app.use(tenancy({ router: world.router, resolve: [host(BASE)], authorize }))
      app.get('/', (c) => c.text('needs no database'))
      const ask = (user: string, name: string) =>
        app.request(`http://${name}.${BASE}/`, { headers: { cookie: `user=${user}` } })
      await world.change('hooli', (before) => ({ ...before, status }))
      await expect.poll(async () => (await ask('hooli', 'hooli')).status).toBe(code)
      expect(await told(ask('acme', 'hooli'))).toBe(await told(ask('acme', 'nobody')))
      await world.change('hooli', (before) => ({ ...before, status: 'active' }))
      await expect.poll(async () => (await ask('hooli', 'hooli')).status).toBe(200)
    },
  )

  it('costs the same look-ups whether the tenant is unknown, foreign, or foreign and suspended, cold and warm', async () => {
    await world.change('hooli', (before) => ({ ...before, status: 'suspended' }))
    const directory = new Directory(world.registry)
    const app = sessionApp(counted({ router: world.router, directory }).served, [host(BASE)])
    const work = async (url: string) => {
      const before = directory.stats()
      const headers = { cookie: 'user=acme' }
      expect((await app.request(url, { headers })).status).toBe(404)
      const { hits, reads } = directory.stats()
      return [hits - before.hits, reads - before.reads]
    }
    for (const name of ['nobody', 'globex', 'hooli'])
      expect(await work(`http://${name}.${BASE}/`)).toEqual([0, 0])
    // The alias, and what it leads to: cold, then warm.
    expect(await work('http://db.globex.test/')).toEqual([0, 2])
    expect(await work('http://db.nobody.test/')).toEqual([0, 2])
    await expect.poll(() => work('http://db.globex.test/')).toEqual([2, 0])
    await expect.poll(() => work('http://db.nobody.test/')).toEqual([2, 0])
    await directory.close()
    await world.change('hooli', (before) => ({ ...before, status: 'active' }))
  })

  it('is refused when the application answers anything but true', async () => {
    const answers: unknown[] = [false, undefined, null, 0, '', 'true', 1, {}]
    const app = new Hono<TenancyEnv>()
    const authorize = () => answers.shift() as boolean // as a program without types may answer
    app.use(tenancy({ router: world.router, resolve: [host(BASE)], authorize }))
    app.get('/', (c) => c.text(c.var.tenant))
    while (answers.length > 0) expect((await app.request(`http://acme.${BASE}/`)).status).toBe(404)
  })

  it('meets the error that the application’s own login throws', async () => {
    const app = new Hono<TenancyEnv>()
    const authorize = () => Promise.reject(new Error('the session store is away'))
    app.use(tenancy({ router: world.router, resolve: [host(BASE)], authorize }))
    app.onError(tenancyErrors((error, c) => c.text(error.message, 500)))
    const answer = await app.request(`http://acme.${BASE}/`)
    expect([answer.status, await answer.text()]).toEqual([500, 'the session store is away'])
  })

  it('does not stand in for a credential that is wrong', async () => {
    const app = sessionApp(world, [apiKey(), host(BASE)])
    const headers = { cookie: 'user=acme', authorization: `Bearer tk_${'a'.repeat(12)}_${'A'.repeat(43)}` }
    expect((await app.request(`http://acme.${BASE}/`, { headers })).status).toBe(401)
  })
})

describe('what could be forged', () => {
  const router = () => ({ router: world.router })

  it('needs a proof, for the compiler and at run time', () => {
    const authorize = () => true
    // @ts-expect-error -- a host is no proof
    expect(() => tenancy({ ...router(), resolve: [host(BASE)] })).toThrow(/can be forged/)
    // @ts-expect-error -- nor are three names together
    expect(() => tenancy({ ...router(), resolve: [host(BASE), header(), path('/:tenant')] })).toThrow(
      /can be forged/,
    )
    // @ts-expect-error -- nor is nothing
    expect(() => tenancy({ ...router(), resolve: [] })).toThrow(/can be forged/)
    expect(() => tenancy({ ...router(), resolve: [], authorize })).toThrow(/must name it/)
    expect(() => tenancy({ ...router(), resolve: [host(BASE)], authorize })).not.toThrow()
    expect(() => tenancy({ ...router(), resolve: [host(BASE), apiKey()] })).not.toThrow()
  })
})
