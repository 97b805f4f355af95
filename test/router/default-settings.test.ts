import { afterEach, describe, expect, it, vi } from 'vitest'
import { Metrics } from '../../src/telemetry/metrics.ts'
import { startWorld, type World } from '../support/world.ts'

const DEFAULT_MAX_POOLS = 100
const DEFAULT_IDLE_TIMEOUT_MS = 300_000

async function touch(world: World, tenant: string): Promise<void> {
  using lease = await world.lease(tenant)
  await lease.run({ text: 'select 1' })
}

async function metric(world: Metrics, line: string): Promise<number | undefined> {
  const found = (await world.text()).split('\n').find((text) => text.startsWith(line))
  return found === undefined ? undefined : Number(found.slice(line.length))
}

describe('with default settings', () => {
  afterEach(() => {
    vi.useRealTimers()
  })

  it('the pool used longest ago ends when one more tenant than may have one is served', async () => {
    const lodgers = Array.from({ length: DEFAULT_MAX_POOLS }, (_, n) => `lodger-${n}`)
    await using world = await startWorld(['first'], { lodgers, serverBudget: 150 })
    const { router, directory } = world
    using metrics = new Metrics({ router, directory, version: '0.0.0', topTenants: 5 })
    await touch(world, 'first')
    for (const lodger of lodgers.slice(0, -1)) await touch(world, lodger)
    await vi.waitFor(async () => expect(await world.sessions()).toBe(DEFAULT_MAX_POOLS))
    expect(await metric(metrics, 'tenantry_pools ')).toBe(DEFAULT_MAX_POOLS)
    await touch(world, `lodger-${DEFAULT_MAX_POOLS - 1}`)
    expect(await world.sessions()).toBe(DEFAULT_MAX_POOLS)
    expect(router.stats().pools.map((pool) => pool.tenant)).not.toContain('first')
    expect(await metric(metrics, 'tenantry_pools ')).toBe(DEFAULT_MAX_POOLS)
    expect(await metric(metrics, 'tenantry_pool_evictions_total{reason="pool_limit"} ')).toBe(1)
  }, 60_000)

  it('a pool unused for five minutes ends, and one with a lease out does not', async () => {
    vi.useFakeTimers({ toFake: ['performance', 'setInterval', 'clearInterval'] })
    await using world = await startWorld(['acme', 'globex'])
    const { router, directory } = world
    using metrics = new Metrics({ router, directory, version: '0.0.0', topTenants: 5 })
    using held = await world.lease('globex')
    await touch(world, 'acme')
    vi.advanceTimersByTime(DEFAULT_IDLE_TIMEOUT_MS - 10_000)
    expect(await world.sessionsOf('acme')).toBe(1)
    vi.advanceTimersByTime(20_000)
    await vi.waitFor(async () => expect(await world.sessionsOf('acme')).toBe(0))
    expect(await metric(metrics, 'tenantry_pool_evictions_total{reason="idle"} ')).toBe(1)
    expect((await held.run({ text: 'select distinct tenant from notes' })).rows).toEqual([
      { tenant: 'globex' },
    ])
    expect(await world.sessions()).toBe(1)
  })
})
