import { expect, it, vi } from 'vitest'
import { trailOf } from './conformance-trail.ts'
import { startRegistryService } from './registry-service.ts'

const healed = { timeout: 10_000, interval: 50 }
const one = { sql: 'select 1 as one' }

it('a tenant is suspended and evicted while the registry is away: here at once, on record when it is back', async () => {
  const ground = await startRegistryService()
  await using world = await ground.serve({ TENANTRY_SNAPSHOT_FILE: '' })
  const { key } = await world.tenant('acme')
  const globex = await world.tenant('globex')
  const ask = (of: string) => world.ask('/v1/query', { key: of, body: one })
  for (const of of [key, globex.key]) expect((await ask(of)).status).toBe(200)
  const { server } = (await world.operate('/v1/tenants/acme')).json

  await ground.proxy.setMode('reset')
  await ground.proxy.setMode('refuse')
  const evicted = await world.operate('/v1/tenants/globex/evict', { method: 'POST' })
  expect([evicted.status, evicted.json]).toEqual([200, { tenant: 'globex', connections: 1 }])
  const suspended = await world.operate('/v1/tenants/acme/suspend', { body: { reason: 'leaked key' } })
  expect([suspended.status, suspended.json.postponed]).toEqual([202, true])
  expect((await ask(key)).json.code).toBe('tenant_suspended')
  expect((await ask(globex.key)).status).toBe(200)
  const drained = await world.operate(`/v1/servers/${server}/drain`, { method: 'POST' })
  expect([drained.status, drained.json.postponed]).toEqual([202, true])
  // What cannot wait without being true is refused, as ever.
  expect((await world.operate('/v1/tenants/globex/resume', { method: 'POST' })).status).toBe(503)

  await ground.proxy.setMode('pass')
  await using registry = await ground.database.open()
  await vi.waitFor(async () => {
    expect((await registry.find('tenant', 'acme'))?.record).toMatchObject({
      status: 'suspended',
      statusReason: 'leaked key',
    })
  }, healed)
  await vi.waitFor(async () => {
    expect((await registry.find('server', server))?.record.draining).toBe(true)
  }, healed)
  await vi.waitFor(async () => {
    const { entries } = await trailOf(registry, { action: 'tenant', order: 'oldest' })
    const written = entries.map(({ audit }) => audit?.action)
    expect(written).toContain('tenant.evict')
    expect(entries.find(({ audit }) => audit?.action === 'tenant.suspend')?.audit?.detail).toEqual({
      reason: 'leaked key',
      askedAt: expect.stringMatching(/^20/),
    })
  }, healed)
  await vi.waitFor(async () => {
    expect((await world.operate('/v1/tenants/acme/resume', { method: 'POST' })).status).toBe(200)
  }, healed)
  await vi.waitFor(async () => expect((await ask(key)).status).toBe(200), healed)
})
