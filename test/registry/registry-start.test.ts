import { readFile, writeFile } from 'node:fs/promises'
import { describe, expect, it, vi } from 'vitest'
import { createRouter } from '../../src/create-router.ts'
import { RegistryUnavailableError } from '../../src/errors.ts'
import type { ServiceWorld } from '../http/service-world.ts'
import { startRegistryService, untilReady } from './registry-service.ts'

const seen = { timeout: 10_000, interval: 20 }
const query = (world: ServiceWorld, key: string) =>
  world.ask('/v1/query', { key, body: { sql: 'select 1 as one' } })
const unknownKey = `tk_${'a'.repeat(12)}_${'A'.repeat(43)}`
const WITHOUT = { TENANTRY_SNAPSHOT_FILE: '' }

describe('a service that starts while its registry is down', () => {
  it.each(['refuse', 'reset', 'accept-close', 'black-hole'] as const)(
    'is not ready and tries on, and is ready soon after the registry is back: %s',
    async (mode) => {
      const ground = await startRegistryService()
      await ground.proxy.setMode(mode)
      await using world = await ground.serve(WITHOUT)
      expect((await world.operate('/readyz')).json).toEqual({ status: 'starting' })
      expect((await world.operate('/livez')).status).toBe(200)
      const refused = await query(world, unknownKey)
      expect([refused.status, refused.json.code]).toEqual([503, 'registry_unavailable'])
      expect((await world.operate('/v1/tenants')).json.code).toBe('registry_unavailable')
      await ground.proxy.setMode('pass')
      // Two seconds is what is promised on a machine that is not full of other tests.
      expect(await untilReady(world)).toBeLessThan(4_000)
      expect((await query(world, unknownKey)).status).toBe(401)
      expect((await world.operate('/v1/tenants')).status).toBe(200)
    },
  )

  it('asks about twice a second at most, and says once what is wrong', async () => {
    const ground = await startRegistryService()
    await ground.proxy.setMode('accept-close')
    await using world = await ground.serve(WITHOUT)
    const { accepted } = ground.proxy
    const began = performance.now()
    await vi.waitFor(() => expect(ground.proxy.accepted - accepted).toBeGreaterThanOrEqual(5), seen)
    expect(performance.now() - began).toBeGreaterThan(1_000)
    expect(world.logLines.filter((line) => line.includes('"msg":"registry"'))).toHaveLength(1)
  })

  it('can be closed at once', async () => {
    const ground = await startRegistryService()
    await ground.proxy.setMode('refuse')
    const world = await ground.serve(WITHOUT)
    const began = performance.now()
    await world[Symbol.asyncDispose]()
    expect(performance.now() - began).toBeLessThan(3_000)
  })

  it('serves from the snapshot of the one before, and hears what changed when the registry is back', async () => {
    const ground = await startRegistryService()
    await using first = await ground.serve()
    const acme = await first.tenant('acme')
    expect((await query(first, acme.key)).status).toBe(200)
    await first.service.close()

    await ground.proxy.setMode('refuse')
    await using second = await ground.serve()
    expect((await second.operate('/readyz')).status).toBe(200)
    expect((await query(second, acme.key)).json.rows).toEqual([{ one: 1 }])
    expect((await query(second, unknownKey)).json.code).toBe('registry_unavailable')
    expect((await second.operate('/v1/tenants/acme/suspend', { method: 'POST' })).status).toBe(503)

    await ground.proxy.setMode('pass')
    await vi.waitFor(
      async () =>
        expect((await second.operate('/v1/tenants/acme/suspend', { method: 'POST' })).status).toBe(200),
      seen,
    )
    expect((await query(second, acme.key)).json.code).toBe('tenant_suspended')
    await second.service.close()

    await ground.proxy.setMode('refuse')
    await using third = await ground.serve()
    expect((await query(third, acme.key)).json.code).toBe('tenant_suspended')
  })

  it.each([
    ['cut', (text: string) => text.slice(0, -60), 'it is cut'],
    ['changed', (text: string) => text.replace('"kind":"key"', '"kind":"keY"'), 'its signature is wrong'],
    [
      'of a version to come',
      (text: string) => text.replace('"tenantrySnapshot":1', '"tenantrySnapshot":7'),
      'it is of version 7',
    ],
  ])('does not use a snapshot that is %s: says why, and is not ready', async (_how, spoil, why) => {
    const ground = await startRegistryService()
    await using first = await ground.serve()
    await first.operate('/v1/tenants')
    await first.service.close()
    await writeFile(ground.snapshot, spoil(await readFile(ground.snapshot, 'utf8')))
    await ground.proxy.setMode('refuse')
    await using second = await ground.serve()
    expect((await second.operate('/readyz')).status).toBe(503)
    expect(second.logLines.join('')).toContain(why)
    await ground.proxy.setMode('pass')
    await untilReady(second)
  })

  it('does not use a snapshot that is too old', async () => {
    const ground = await startRegistryService()
    await using first = await ground.serve()
    await first.operate('/v1/tenants')
    await first.service.close()
    await ground.proxy.setMode('refuse')
    await using second = await ground.serve({ TENANTRY_STALE_MAX_MS: '0' })
    expect((await second.operate('/readyz')).status).toBe(503)
    expect(second.logLines.join('')).toContain('min old')
  })
})

describe('createRouter while the registry is down', () => {
  it('throws, or serves from the snapshot', async () => {
    const ground = await startRegistryService()
    await using first = await ground.serve()
    const acme = await first.tenant('acme')
    expect((await query(first, acme.key)).status).toBe(200)
    await first.service.close()
    await ground.proxy.setMode('refuse')
    const options = { registry: ground.url, masterKey: ground.masterKey, onFault: () => {} }
    await expect(createRouter(options)).rejects.toBeInstanceOf(RegistryUnavailableError)
    await using router = await createRouter({ ...options, snapshotFile: ground.snapshot })
    expect(await router.withTenant('acme', (sql) => sql`select 1 as one`)).toEqual([{ one: 1 }])
  })
})
