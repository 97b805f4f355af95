import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { generateMasterKey } from '../../src/registry/master-keys.ts'
import { randomName } from '../lifecycle/ground.ts'
import { type ServiceWorld, startServiceWorld } from './service-world.ts'

const one = { sql: 'select 1 as one' }

let world: ServiceWorld
const admin = randomName('admin')
beforeAll(async () => {
  world = await startServiceWorld({ ADMIN_KEY: generateMasterKey().reveal() })
  await world.server.createRole(admin, 'pw', 'createdb createrole')
  const body = { id: 'main', dsn: world.server.dsn('postgres', admin, 'pw') }
  const { status, text } = await world.operate('/v1/servers', { body })
  if (status !== 201 && status !== 200) throw new Error(text)
})
afterAll(async () => {
  await world[Symbol.asyncDispose]()
  await world.server.dropRole(admin)
})

const remove = (id: string, ask: { body?: unknown } = {}, query = '') =>
  world.operate(`/v1/tenants/${id}${query}`, { method: 'DELETE', ...ask })
const purge = (id: string, body: unknown) => world.operate(`/v1/tenants/${id}/purge`, { body })
const statusFor = async (key: string, host?: string) => {
  const headers = host === undefined ? [] : ([['host', host]] as const)
  return (await world.ask('/v1/query', { key, body: one, headers })).status
}

describe('a tenant that is deleted over HTTP', () => {
  it('is refused with 410 in its grace, with 401 once purged, and is nobody when the name is given away', async () => {
    const body = { id: 'acme', hostnames: ['acme.customer.test'] }
    const made = await world.operate('/v1/tenants', { body })
    expect(made.status).toBe(201)
    const key = await world.keyFor('acme')
    expect(await statusFor(key, 'acme.customer.test')).toBe(200)

    const deleted = await remove('acme', { body: { confirm: 'acme', reason: 'left' } })
    expect(deleted.status).toBe(200)
    expect(deleted.json).toMatchObject({
      fence: 'database',
      tenant: { status: 'deleted', statusReason: 'left' },
    })
    expect(await statusFor(key)).toBe(410)
    expect(await world.server.sessionsOf(made.json.tenant.database)).toBe(0)

    const early = await purge('acme', { confirm: 'acme' })
    expect([early.status, early.json.code]).toEqual([409, 'precondition_failed'])
    const purged = await purge('acme', { confirm: 'acme', now: true })
    expect(purged.status).toBe(200)
    expect(purged.json.receipt.map(({ outcome }: { outcome: string }) => outcome)).toEqual(
      Array(7).fill('gone'),
    )
    expect(await statusFor(key)).toBe(401)
    expect((await world.operate('/v1/tenants/acme')).status).toBe(404)

    const anew = await world.operate('/v1/tenants', { body })
    expect(anew.status).toBe(201)
    expect(anew.json.tenant.generation).toBeGreaterThan(made.json.tenant.generation)
    expect(await statusFor(key)).toBe(401)
    expect(await statusFor(await world.keyFor('acme'), 'acme.customer.test')).toBe(200)
    await remove('acme', {}, '?confirm=acme&graceMs=0')
    const expired = await world.operate('/v1/tenants/purge', { body: { expired: true } })
    expect(expired.json).toMatchObject({ purged: [{ tenant: 'acme' }], failed: [] })
  })

  it('is served again when it is undeleted, with its key', async () => {
    const { key } = await world.tenant('globex')
    expect((await remove('globex', {}, '?confirm=globex')).json).toMatchObject({ fence: 'registry' })
    expect(await statusFor(key)).toBe(410)
    const undeleted = await world.operate('/v1/tenants/globex/undelete', { method: 'POST' })
    expect(undeleted.json).toMatchObject({ tenant: { status: 'active', deletion: null } })
    await vi.waitFor(async () => expect(await statusFor(key)).toBe(200))
  })

  it('goes on being deleted where nobody waits for it', async () => {
    await world.tenant('initech')
    const headers = [['prefer', 'respond-async']] as const
    const { status, json } = await world.operate('/v1/tenants/initech?confirm=initech', {
      method: 'DELETE',
      headers,
    })
    expect([status, json.operation.kind, json.operation.tenant]).toEqual([202, 'delete', 'initech'])
    const isOver = async () => {
      const shown = await world.operate(`/v1/operations/${json.operation.id}`)
      expect(shown.json.operation.state).toBe('done')
    }
    await vi.waitFor(isOver, { timeout: 10_000 })
  })
})

describe('misuse', () => {
  it.each([
    ['DELETE without the name', () => remove('hooli'), 400],
    ['DELETE with another name', () => remove('hooli', { body: { confirm: 'acme' } }), 400],
    ['a grace that is none', () => remove('hooli', {}, '?confirm=hooli&graceMs=-1'), 400],
    ['a field that is none', () => remove('hooli', { body: { confirm: 'hooli', force: true } }), 400],
    ['a purge without the name', () => purge('hooli', { now: true }), 400],
    [
      'a purge without a server on which nothing is ours',
      () => purge('hooli', { confirm: 'hooli', serverGone: true }),
      400,
    ],
    ['a purge of an active one', () => purge('hooli', { confirm: 'hooli', now: true }), 409],
    ['undelete of an active one', () => world.operate('/v1/tenants/hooli/undelete', { method: 'POST' }), 409],
    ['a purge of all', () => world.operate('/v1/tenants/purge', { body: {} }), 400],
    ['an unknown tenant', () => remove('nobody', {}, '?confirm=nobody'), 404],
  ])('is refused, and changes nothing: %s', async (_, ask, status) => {
    if ((await world.operate('/v1/tenants/hooli')).status === 404) await world.tenant('hooli')
    expect((await ask()).status).toBe(status)
    expect((await world.operate('/v1/tenants/hooli')).json.status).toBe('active')
  })
})
