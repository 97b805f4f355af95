import { expect, it, vi } from 'vitest'
import { startFaultProxy } from '../../support/fault-proxy.ts'
import { sharedPostgres } from '../../support/postgres.ts'
import { startWorld } from '../../support/world.ts'
import { codesOf, forMs, hammer, Names, ownRows } from '../fault-ground.ts'
import { expectFailingFast, mostInOneSecond } from './failing-fast.ts'

const TENANTS = ['acme', 'globex', 'initech']

export function describeRefusingServer({ seconds }: { seconds: number }): void {
  it(`costs two attempts a second for ${seconds} s, fails callers at once, and serves those who have a connection`, async () => {
    await using proxy = await startFaultProxy(sharedPostgres())
    const names = new Names()
    const address = { host: 'database.test', port: proxy.port }
    await using world = await startWorld(TENANTS, { address, connect: names.connect })
    const told: string[] = []
    world.router.on('breakerOpened', () => told.push('opened'))
    world.router.on('breakerClosed', () => told.push('closed'))
    await ownRows(world, 'acme')
    await proxy.setMode('refuse')
    const before = names.lookedUpAt.length
    const [cold, warm] = await Promise.all([
      hammer(16, (n) => ownRows(world, n % 2 ? 'globex' : 'initech'), forMs(seconds * 1_000)),
      hammer(1, () => ownRows(world, 'acme'), forMs(seconds * 1_000)),
    ])
    const attempts = names.lookedUpAt.slice(before)
    expect(attempts.length).toBeLessThanOrEqual(2 * seconds)
    expect(attempts.length).toBeGreaterThan(seconds / 2)
    expect(mostInOneSecond(attempts)).toBeLessThanOrEqual(2)
    expect(codesOf(cold)).toEqual(['circuit_open', 'server_unavailable'])
    expectFailingFast(cold)
    expect(codesOf(warm)).toEqual(['ok'])
    expect(world.router.stats().servers).toEqual([
      expect.objectContaining({ server: 'main', breaker: 'open', out: 1, idle: 1 }),
    ])
    await proxy.setMode('pass')
    await vi.waitFor(() => ownRows(world, 'globex'), { timeout: 2_500, interval: 20 })
    expect(told).toEqual(['opened', 'closed'])
    expect(world.router.stats().servers).toEqual([expect.objectContaining({ breaker: 'closed' })])
  })
}
