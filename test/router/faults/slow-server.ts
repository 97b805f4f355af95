import { describe, it } from 'vitest'
import { Metrics } from '../../../src/telemetry/metrics.ts'
import { startFaultProxy } from '../../support/fault-proxy.ts'
import { sharedPostgres } from '../../support/postgres.ts'
import { startWorld, type World } from '../../support/world.ts'
import { codesOf, forMs, hammer, ownRows } from '../fault-ground.ts'
import { moveTo } from './another-server.ts'

const MAX_WAITERS = 10
/** Beside those two who are served and those in line: four are shed again and again. */
const CALLERS = 16
const UNBOUND = Number.POSITIVE_INFINITY
/** A line of ten takes longer to be served than anyone may wait, in the second only. */
const SLOWNESS = [
  { how: '100 ms', latencyMs: 100, bytesPerSecond: UNBOUND, acquireTimeoutMs: 5_000, late: [] },
  {
    how: '1 s',
    latencyMs: 1_000,
    bytesPerSecond: UNBOUND,
    acquireTimeoutMs: 1_500,
    late: ['acquire_timeout'],
  },
  { how: '10 kB/s', latencyMs: 0, bytesPerSecond: 10_000, acquireTimeoutMs: 5_000, late: [] },
]

async function shedOf(metrics: Metrics): Promise<number> {
  const name = 'tenantry_pool_refusals_total{code="too_many_waiters"} '
  const line = (await metrics.text()).split('\n').find((text) => text.startsWith(name))
  return Number(line?.slice(name.length) ?? 0)
}

/** Both under load for so long; what the line was like meanwhile. */
async function loaded(world: World, ms: number) {
  let longest = 0
  const look = () => {
    longest = Math.max(longest, world.router.stats().waiters)
  }
  const call = (tenant: string) => {
    const answered = ownRows(world, tenant)
    look()
    return answered
  }
  const watch = setInterval(look, 5)
  const isTimeOver = forMs(ms)
  let served = 0
  const until = () => isTimeOver() && served >= 20
  const elsewhere = () => call('acme').finally(() => served++)
  const [slow, others] = await Promise.all([
    hammer(CALLERS, () => call('globex'), until),
    hammer(2, elsewhere, until),
  ])
  clearInterval(watch)
  return { slow, others, longest }
}

export function describeSlowServer({ ms }: { ms: number }): void {
  describe('a server that is slow', () => {
    // Side by side: most of their time is waiting.
    it.concurrent.for(SLOWNESS)(
      `by $how, for ${ms} ms fills the line of its own tenant, whose last are shed; tenants elsewhere are served as ever`,
      { timeout: ms + 60_000 },
      async ({ latencyMs, bytesPerSecond, acquireTimeoutMs, late }, { expect }) => {
        await using proxy = await startFaultProxy(sharedPostgres())
        const terms = { maxWaiters: MAX_WAITERS, maxConnectionsPerTenant: 2, acquireTimeoutMs }
        await using world = await startWorld(['acme', 'globex'], terms)
        const { router, directory } = world
        using metrics = new Metrics({ router, directory, version: '0.0.0' })
        await moveTo(world, ['globex'], 'slow', proxy)
        await proxy.setMode('slow', { latencyMs, bytesPerSecond })
        const { slow, others, longest } = await loaded(world, ms)
        expect(codesOf(slow)).toEqual([...late, 'ok', 'too_many_waiters'])
        expect(longest).toBe(MAX_WAITERS)
        expect(await shedOf(metrics)).toBe(slow.filter(({ code }) => code === 'too_many_waiters').length)
        expect(codesOf(others)).toEqual(['ok'])
        expect(world.router.stats().servers.map(({ breaker }) => breaker)).toEqual(['closed', 'closed'])
      },
    )
  })
}
