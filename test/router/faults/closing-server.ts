import { expect, it, vi } from 'vitest'
import { startFaultProxy } from '../../support/fault-proxy.ts'
import { sharedPostgres } from '../../support/postgres.ts'
import { startWorld } from '../../support/world.ts'
import { codesOf, forMs, hammer, ownRows } from '../fault-ground.ts'
import { expectFailingFast } from './failing-fast.ts'

const TENANTS = ['acme', 'globex', 'initech']

export function describeClosingServer({ seconds }: { seconds: number }): void {
  it(`is tried twice a second at most for ${seconds} s, for all tenants together, and fails callers at once`, async () => {
    await using proxy = await startFaultProxy(sharedPostgres())
    await using world = await startWorld(TENANTS, { address: proxy })
    await proxy.setMode('accept-close')
    const call = (n: number) => ownRows(world, TENANTS[n % 3] ?? 'acme')
    const outcomes = await hammer(12, call, forMs(seconds * 1_000))
    expect(proxy.accepted).toBeGreaterThan(seconds / 2)
    expect(proxy.accepted).toBeLessThanOrEqual(2 * seconds)
    expect(codesOf(outcomes)).toEqual(['circuit_open', 'server_unavailable'])
    expectFailingFast(outcomes)
    await proxy.setMode('pass')
    for (const tenant of TENANTS)
      await vi.waitFor(() => ownRows(world, tenant), { timeout: 2_500, interval: 20 })
  })

  it(`is tried twice a second at most for ${seconds} s for one tenant alone, whose fault it may be`, async () => {
    await using proxy = await startFaultProxy(sharedPostgres())
    await using world = await startWorld(['acme'], { address: proxy })
    await proxy.setMode('accept-close')
    const outcomes = await hammer(4, () => ownRows(world, 'acme'), forMs(seconds * 1_000))
    expect(proxy.accepted).toBeLessThanOrEqual(2 * seconds)
    expect(codesOf(outcomes)).toEqual(['server_unavailable'])
    expectFailingFast(outcomes)
    expect(world.router.stats().servers).toEqual([])
  })
}
