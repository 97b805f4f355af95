import { readdirSync, readFileSync } from 'node:fs'
import { setImmediate, setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { drizzle } from 'drizzle-orm/postgres-js'
import { Hono } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { header, type TenancyEnv, tenancy, tenancyErrors } from 'tenantry/hono'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { ServerUnavailableError } from '../../../src/errors.ts'
import { currentTenant } from '../../../src/tenant/tenant-context.ts'
import { packagesLoadedBy } from '../../support/source-rules.ts'
import { startWorld, type World } from '../../support/world.ts'

const TENANTS = Array.from({ length: 20 }, (_, i) => `tenant-${i}`)
const REQUESTS = 200

let world: World
beforeAll(async () => {
  world = await startWorld(['acme'], { lodgers: TENANTS, maxConnections: 8 })
})
afterAll(() => world[Symbol.asyncDispose]())

function made(): Hono<TenancyEnv> {
  const app = new Hono<TenancyEnv>()
  app.use(tenancy({ router: world.router, resolve: [header()], authorize: () => true }))
  return app
}

const as = (tenant: string) => ({ headers: { 'x-tenant-id': tenant } })

describe('what runs behind tenancy()', () => {
  it('finds its own tenant wherever it waits, among many', async () => {
    const ambient = world.router.sql()
    const app = made()
    app.get('/seen', async (c) => {
      const seen = new Set([currentTenant()])
      await setTimeout(Math.random() * 5)
      seen.add(currentTenant())
      const [row] = await c.var.sql`select ${currentTenant() ?? null}::text as tenant`
      seen.add(String(row?.['tenant']) as typeof c.var.tenant) // what came back is what is compared
      await setImmediate()
      await ambient`select 1`
      seen.add(currentTenant())
      const lease = await c.var.lease()
      seen.add(lease.tenant.id)
      return c.json([...seen])
    })
    const answers = Array.from({ length: REQUESTS }, async (_, i) => {
      const tenant = TENANTS[i % TENANTS.length] ?? ''
      const answer = await app.request('/seen', as(tenant))
      expect(await answer.json()).toEqual([tenant])
    })
    await Promise.all(answers)
    expect(currentTenant()).toBeUndefined()
  })

  it('shares one handle of a tenant, which an ORM may not change', async () => {
    const handles = new Set<unknown>()
    const app = made().onError(tenancyErrors())
    app.get('/handle', (c) => {
      handles.add(c.var.sql)
      return c.text('')
    })
    app.get('/orm', (c) => c.json(Object.keys(drizzle(c.var.sql))))
    for (const tenant of ['acme', 'acme', 'tenant-1']) await app.request('/handle', as(tenant))
    expect(handles.size).toBe(2)
    const answer = await app.request('/orm', as('acme'))
    expect(await answer.json()).toMatchObject({
      code: 'unsupported',
      detail: expect.stringMatching(/once for the whole application, on router.sql\(\)/),
    })
  })

  it('cannot end the handle that others use, as Kysely’s destroy() would', async () => {
    const app = made()
    app.get('/ends', async (c) => {
      await c.var.sql.end()
      return c.json(await c.var.sql`select 1 as one`)
    })
    for (const _ of [1, 2])
      expect(await (await app.request('/ends', as('acme'))).json()).toEqual([{ one: 1 }])
  })

  it('cannot use another tenant’s handle', async () => {
    const other = world.router.sql('tenant-1')
    const app = made().onError(tenancyErrors())
    app.get('/other', async (c) => c.json(await other`select 1`))
    const answer = await app.request('/other', as('acme'))
    expect(await answer.json()).toMatchObject({ code: 'tenant_mismatch' })
  })

  it('is told what the router refused, though an ORM has wrapped it', async () => {
    const db = drizzle(world.router.sql())
    const app = made().onError(tenancyErrors())
    app.get('/drizzle', async (c) => c.json(await db.execute('select 1')))
    app.get('/typeorm', async () => {
      const driverError: unknown = await world.router.lease('nobody').catch((error: unknown) => error)
      throw Object.assign(new Error('as its QueryFailedError'), { driverError })
    })
    using _held = world.router.hold('acme', new ServerUnavailableError('its server is away'))
    const away = await app.request('/drizzle', as('acme'))
    expect([away.status, await away.json()]).toMatchObject([503, { code: 'server_unavailable' }])
    const unknown = await app.request('/typeorm', as('tenant-1'))
    expect([unknown.status, await unknown.json()]).toMatchObject([404, { code: 'tenant_unknown' }])
  })
})

describe('the face for Hono', () => {
  it('loads no server, whose import or use would replace the Request and Response of an application', () => {
    const root = fileURLToPath(new URL('../../..', import.meta.url))
    const files = readdirSync(`${root}/src`, { recursive: true, encoding: 'utf8' })
    const named = files
      .filter((file) => file.endsWith('.ts'))
      .map((file) => `src/${file.replaceAll('\\', '/')}`)
    const sources = new Map(named.map((file) => [file, readFileSync(`${root}/${file}`, 'utf8')]))
    const loaded = packagesLoadedBy('src/http/hono.ts', sources)
    expect(loaded).toEqual(expect.arrayContaining(['hono/factory', 'jose']))
    expect(loaded).not.toContain('@hono/node-server')
    expect(loaded).not.toContain('ioredis')
  })
})

describe('an answer that is no problem of the application', () => {
  const answering = () => made().get('/', async (c) => c.json(await c.var.sql`select 1`))

  it('is a problem document, also where the application has no handler for errors', async () => {
    const answer = await answering().request('/', as('nobody'))
    expect([answer.status, answer.headers.get('content-type')]).toEqual([404, 'application/problem+json'])
    expect(await answer.json()).toMatchObject({ code: 'tenant_unknown', requestId: expect.any(String) })
  })

  it('is the application’s where it has one, and leaves no header behind', async () => {
    const plain = answering()
    plain.onError((error, c) => c.text(`own: ${String(Object(error.cause).code)}`, 418))
    const answer = await plain.request('/', as('nobody'))
    expect([answer.status, await answer.text()]).toEqual([418, 'own: tenant_unknown'])
    expect(answer.headers.get('cache-control')).toBeNull()
  })

  it('tells an application that shows the messages of exceptions no more than callers may know', async () => {
    const plain = answering()
    plain.onError((error, c) => c.text(error.message, 404))
    const told = ['nobody', 'no-such-tenant'].map(async (tenant) =>
      (await plain.request('/', as(tenant))).text(),
    )
    const text = 'There is no such tenant.'
    expect(await Promise.all(told)).toEqual([text, text])
  })

  it('says nothing of what is the application’s own defect, and prints it', async () => {
    const plain = made().onError(tenancyErrors())
    plain.get('/sql', async (c) => c.json(await c.var.sql`select * from nowhere`))
    plain.get('/gone', () => {
      throw new HTTPException(410, { message: 'gone for good' })
    })
    const printed = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    try {
      const answer = await plain.request('/sql', as('acme'))
      expect([answer.status, await answer.text()]).toEqual([500, expect.not.stringContaining('nowhere')])
      expect(printed.mock.calls.join()).toContain('relation "nowhere" does not exist')
    } finally {
      printed.mockRestore()
    }
    const gone = await plain.request('/gone', as('acme'))
    expect([gone.status, await gone.text()]).toEqual([410, 'gone for good'])
  })
})
