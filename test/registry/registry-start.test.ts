import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { createRouter } from '../../src/create-router.ts'
import { RegistryUnavailableError } from '../../src/errors.ts'
import { generateMasterKey } from '../../src/registry/master-keys.ts'
import type { ServiceWorld } from '../http/service-world.ts'
import { becomesReady } from './ready-again.ts'
import { startRegistryService } from './registry-service.ts'

const seen = { timeout: 10_000, interval: 20 }
const query = (world: ServiceWorld, key: string) =>
  world.ask('/v1/query', { key, body: { sql: 'select 1 as one' } })
const unknownKey = `tk_${'a'.repeat(12)}_${'A'.repeat(43)}`
const WITHOUT = { TENANTRY_SNAPSHOT_FILE: '' }

async function closesAtOnce(world: ServiceWorld): Promise<void> {
  const began = performance.now()
  await world[Symbol.asyncDispose]()
  expect(performance.now() - began).toBeLessThan(3_000)
}

describe('a service that starts while its registry is down', () => {
  it.each(['refuse', 'black-hole'] as const)(
    'is not ready and tries on, and is ready soon after the registry is back: %s',
    async (mode) => {
      // Two seconds are promised, and held where no other tests run beside it: registry.soak.ts.
      expect(await becomesReady(mode)).toBeLessThan(4_000)
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

  it('answers probes, says what is wrong, and can be closed at once, whatever the registry does', async () => {
    const ground = await startRegistryService()
    await ground.proxy.setMode('refuse')
    await closesAtOnce(await ground.serve(WITHOUT))
    await ground.proxy.setMode('pass')
    const other = await ground.lockSchema()
    const world = await ground.serve(WITHOUT)
    expect((await world.operate('/livez')).status).toBe(200)
    expect(world.logLines.join('')).toMatch(/did not open in 2000 ms.*not ready until the registry answers/)
    await closesAtOnce(world)
    await other.end()
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
    expect((await second.operate('/v1/tenants/acme/check', { method: 'POST' })).status).toBe(503)

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

  it('does not use a snapshot that is changed or too old: says why, and is not ready', async () => {
    const ground = await startRegistryService()
    await using first = await ground.serve()
    await first.operate('/v1/tenants')
    await first.service.close()
    await ground.proxy.setMode('reset')
    await using late = await ground.serve({ TENANTRY_STALE_MAX_MS: '0' })
    expect((await late.operate('/readyz')).status).toBe(503)
    expect(late.logLines.join('')).toContain('min old')
    const text = await readFile(ground.snapshot, 'utf8')
    await writeFile(ground.snapshot, text.replace('"kind":"key"', '"kind":"keY"'))
    await using other = await ground.serve()
    expect((await other.operate('/readyz')).status).toBe(503)
    expect(other.logLines.join('')).toContain('its signature is wrong')
  })
})

it('createRouter opens nothing where an option is wrong', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tenantry-wrong-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const registry = `file:${join(folder, 'registry.yaml')}`
  const options = { registry, masterKey: generateMasterKey(), staleMaxMs: -1 }
  await expect(createRouter(options)).rejects.toThrow('staleMaxMs')
  expect(await readdir(folder)).toEqual([])
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
    const refused = await createRouter(options).catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(RegistryUnavailableError)
    expect(inspect(refused)).toContain('ECONNREFUSED')
    await using router = await createRouter({ ...options, snapshotFile: ground.snapshot })
    expect(await router.withTenant('acme', (sql) => sql`select 1 as one`)).toEqual([{ one: 1 }])
  })
})
