import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { type ServiceWorld, startServiceWorld } from './service-world.ts'

let world: ServiceWorld
beforeAll(async () => {
  world = await startServiceWorld()
})
afterAll(() => world[Symbol.asyncDispose]())

const one = { sql: 'select 1 as one' }

describe('POST /v1/tenants', () => {
  it('registers a database that exists, whose tenant is served at once', async () => {
    const dsn = await world.database()
    const body = { id: 'acme', route: { dsn }, labels: { plan: 'pro' }, hostnames: ['acme.customer.test'] }
    const { status, json, text } = await world.operate('/v1/tenants', { body })
    expect(status).toBe(201)
    expect(json.tenant).toMatchObject({
      id: 'acme',
      status: 'active',
      origin: 'registered',
      labels: { plan: 'pro' },
    })
    expect(json.probe.isolation).toMatchObject({ isolated: true })
    expect(text).not.toContain('password')
    const key = await world.keyFor('acme')
    const headers = [['host', 'acme.customer.test']] as const
    expect((await world.ask('/v1/query', { key, body: one, headers })).json.rows).toEqual([{ one: 1 }])
  })

  it.each([
    ['a name that is taken', { id: 'acme' }, 409],
    ['a reserved name', { id: 'admin' }, 400],
    ['xn--', { id: 'xn--80ak6aa92e' }, 400],
    ['__proto__', { id: '__proto__' }, 400],
    ['a field that is none', { id: 'new', colour: 'red' }, 400],
  ])('refuses %s', async (_, body, status) => {
    const dsn = await world.database()
    const answer = await world.operate('/v1/tenants', { body: { ...body, route: { dsn } } })
    expect(answer.status).toBe(status)
  })

  it.each([
    'postgres://h/d?sslmode=bogus',
    'postgres://u:canary@h/d?pool_size=5',
    'mysql://u:canary@h/d',
    'x',
  ])('refuses the DSN %s by name, and does not repeat it', async (dsn) => {
    const { status, json, text } = await world.operate('/v1/tenants', { body: { id: 'new', route: { dsn } } })
    expect([status, json.code]).toEqual([400, 'invalid_dsn'])
    expect(text).not.toContain('canary')
  })

  it('refuses to provision where no server can, and says so', async () => {
    for (const body of [{ id: 'made' }, { id: 'made', server: 'nowhere' }]) {
      const { status, json } = await world.operate('/v1/tenants', { body })
      expect([status, json.code]).toEqual([409, 'precondition_failed'])
    }
  })
})

describe('GET /v1/tenants', () => {
  it('lists by page, status and label, without a password', async () => {
    await world.tenant('globex')
    const page = await world.operate('/v1/tenants?limit=1')
    expect(page.json).toMatchObject({ tenants: [{ id: 'acme' }], next: expect.any(String) })
    const rest = await world.operate(`/v1/tenants?cursor=${page.json.next}`)
    expect(rest.json).toMatchObject({ tenants: [{ id: 'globex' }], next: null })
    const labelled = await world.operate('/v1/tenants?label=plan=pro&status=active')
    expect(labelled.json.tenants.map(({ id }: { id: string }) => id)).toEqual(['acme'])
    expect(page.text + rest.text).not.toMatch(/ciphertext|wrappedKey/)
  })

  it.each(['status=asleep', 'label=plan', 'limit=-1', 'x=1'])('refuses ?%s', async (query) => {
    expect((await world.operate(`/v1/tenants?${query}`)).status).toBe(400)
  })
})

describe('GET /v1/tenants/:id', () => {
  it('shows one with its aliases', async () => {
    const { json, text } = await world.operate('/v1/tenants/acme')
    expect(json).toMatchObject({ id: 'acme', aliases: [{ kind: 'hostname', value: 'acme.customer.test' }] })
    expect(text).not.toMatch(/ciphertext|wrappedKey/)
  })

  it.each([
    ['nobody', 404],
    ['__proto__', 400],
    ['%2e%2e', 404],
    ['a'.repeat(41), 400],
    ['%EF%BD%81', 400],
  ])('answers %s with %i', async (id, status) => {
    expect((await world.operate(`/v1/tenants/${id}`)).status).toBe(status)
  })
})

describe('POST /v1/tenants/:id/suspend and resume', () => {
  it('refuse the tenant from the answer on, end its sessions, and let it in again', async () => {
    const { key, database } = await world.tenant('initech')
    const ask = () => world.ask('/v1/query', { key, body: one })
    expect((await ask()).status).toBe(200)
    const suspended = await world.operate('/v1/tenants/initech/suspend', { body: { reason: 'unpaid' } })
    expect(suspended.json).toMatchObject({ tenant: { status: 'suspended', statusReason: 'unpaid' } })
    expect((await ask()).json.code).toBe('tenant_suspended')
    await vi.waitFor(async () => expect(await world.server.sessionsOf(database)).toBe(0))
    const resumed = await world.operate('/v1/tenants/initech/resume', { method: 'POST' })
    expect(resumed.json).toMatchObject({ tenant: { status: 'active' } })
    expect((await ask()).status).toBe(200)
  })

  it('answer 404 for a tenant that is not there', async () => {
    expect((await world.operate('/v1/tenants/nobody/suspend', { method: 'POST' })).status).toBe(404)
    expect((await world.operate('/v1/tenants/nobody/resume', { method: 'POST' })).status).toBe(404)
  })
})

describe('POST /v1/tenants/:id/check', () => {
  it('finds a role that is no longer isolated, whose keys may then bring no SQL, and one that is again', async () => {
    const { key, database } = await world.tenant('hooli')
    const check = () => world.operate('/v1/tenants/hooli/check', { method: 'POST' })
    const ask = async () => (await world.ask('/v1/query', { key, body: one })).status
    await world.server.execute(`alter role "${database}" createdb`)
    const { status, json, text } = await check()
    expect([status, json.tenant.isolation.isolated]).toEqual([200, false])
    expect(json.tenant.isolation.findings).toEqual([expect.stringContaining('CREATEDB')])
    expect(text).not.toMatch(/ciphertext|wrappedKey/)
    await vi.waitFor(async () => expect(await ask()).toBe(403))
    await world.server.execute(`alter role "${database}" nocreatedb`)
    expect((await check()).json.tenant.isolation.isolated).toBe(true)
    await vi.waitFor(async () => expect(await ask()).toBe(200))
  })

  it('answers 404 for a tenant that is not there', async () => {
    expect((await world.operate('/v1/tenants/nobody/check', { method: 'POST' })).status).toBe(404)
  })
})

describe('servers', () => {
  it('are listed with their budget, and added by a login that was tried', async () => {
    const listed = await world.operate('/v1/servers')
    expect(listed.json.servers).toHaveLength(1)
    const { id, budget } = listed.json.servers[0]
    expect(budget.maxConnections).toBeGreaterThan(1)
    const dsn = await world.database()
    const body = { id, dsn, provision: false, maxConnections: 7 }
    const { status, json } = await world.operate('/v1/servers', { body })
    expect(status).toBe(200)
    expect(json).toMatchObject({ created: false, server: { budget: { maxConnections: 7 } } })
    const wrong = await world.operate('/v1/servers', {
      body: { ...body, dsn: dsn.replace(/:[0-9a-f]{32}@/, ':wrong@') },
    })
    expect([wrong.status, wrong.json.code]).toEqual([502, 'login_failed'])
  })
})
