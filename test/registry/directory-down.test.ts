import { describe, expect, it, vi } from 'vitest'
import { RegistryUnavailableError } from '../../src/errors.ts'
import { parseTenantId } from '../../src/tenant/tenant-id.ts'
import { startDirectory } from './directory-ground.ts'
import { tenant } from './records.ts'

const acme = parseTenantId('acme')
const seen = { timeout: 2_000, interval: 5 }

describe('a directory whose registry is down', () => {
  /** Nothing heard counts for longer than a moment, so that every lookup must ask. */
  const impatient = { silenceMs: 1, patienceMs: 20, readTimeoutMs: 100 }

  it.each(['down', 'hanging'] as const)(
    'serves known tenants, and calls the unknown unavailable: %s',
    async (mode) => {
      await using world = await startDirectory(impatient)
      await world.directory.tenant(acme)
      await world.directory.tenant(parseTenantId('globex'))
      world.registry.mode = mode
      await vi.waitFor(async () => {
        expect((await world.directory.tenant(acme))?.record.id).toBe('acme')
        expect(world.directory.stats().staleServed).toBeGreaterThan(2)
      }, seen)
      for (const id of ['globex', 'initech']) {
        await expect(world.directory.tenant(parseTenantId(id))).rejects.toBeInstanceOf(
          RegistryUnavailableError,
        )
      }
    },
  )

  it('makes nobody wait longer than its patience for a tenant it knows, and then nobody at all', async () => {
    await using world = await startDirectory({ silenceMs: 1, patienceMs: 100, readTimeoutMs: 60_000 })
    await world.directory.tenant(acme)
    world.registry.mode = 'hanging'
    await vi.waitFor(async () => {
      await world.directory.tenant(acme)
      expect(world.directory.stats().staleServed).toBe(1)
    }, seen)
    const before = performance.now()
    for (let i = 0; i < 100; i++) await world.directory.tenant(acme)
    expect(performance.now() - before).toBeLessThan(100)
  })

  it('gives up on an unknown tenant when the read takes too long', async () => {
    await using world = await startDirectory({ readTimeoutMs: 50 })
    world.registry.mode = 'hanging'
    const before = performance.now()
    await expect(world.directory.tenant(acme)).rejects.toThrow(/no answer about tenant acme in 50 ms/)
    expect(performance.now() - before).toBeLessThan(1_000)
  })

  it('serves an active tenant for so long and no longer, a suspended one for ever', async () => {
    await using world = await startDirectory({ ...impatient, staleMaxMs: 150 })
    world.registry.put(tenant('globex', { status: 'suspended' }))
    await world.registry.heard()
    const globex = parseTenantId('globex')
    await world.directory.tenant(acme)
    await world.directory.tenant(globex)
    world.registry.mode = 'down'
    expect((await world.directory.tenant(acme))?.record.status).toBe('active')
    await vi.waitFor(
      () => expect(world.directory.tenant(acme)).rejects.toBeInstanceOf(RegistryUnavailableError),
      seen,
    )
    expect((await world.directory.tenant(globex))?.record.status).toBe('suspended')
  })

  it('keeps a suspended tenant suspended until a read says otherwise', async () => {
    await using world = await startDirectory(impatient)
    world.registry.put(tenant('acme', { status: 'suspended' }))
    await world.registry.heard()
    await world.directory.tenant(acme)
    world.registry.put(tenant('acme'))
    await world.registry.heard()
    world.registry.mode = 'down'
    expect((await world.directory.tenant(acme))?.record.status).toBe('suspended')
    world.registry.mode = 'up'
    await vi.waitFor(
      async () => expect((await world.directory.tenant(acme))?.record.status).toBe('active'),
      seen,
    )
  })

  it('says how long it has heard nothing', async () => {
    await using world = await startDirectory()
    await vi.waitFor(() => expect(world.directory.stalenessSeconds()).toBeLessThan(0.2), seen)
    world.registry.mode = 'down'
    await vi.waitFor(() => expect(world.directory.stalenessSeconds()).toBeGreaterThan(0.3), seen)
    world.registry.mode = 'up'
    await vi.waitFor(() => expect(world.directory.stalenessSeconds()).toBeLessThan(0.2), seen)
  })
})
