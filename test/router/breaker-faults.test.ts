import { describe, expect, it, vi } from 'vitest'
import { asTenantryError, problemOf } from '../../src/http/problem.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { sharedPostgres } from '../support/postgres.ts'
import { startWorld } from '../support/world.ts'
import { codesOf, forMs, hammer, Names, outcome, ownRows, percentile } from './fault-ground.ts'

const TENANTS = ['acme', 'globex', 'initech']
const SECONDS = 3

describe('a server that nothing listens for', () => {
  it('costs two attempts a second, fails callers at once, and serves those who have a connection', async () => {
    await using proxy = await startFaultProxy(sharedPostgres())
    const names = new Names()
    const address = { host: 'database.test', port: proxy.port }
    await using world = await startWorld(TENANTS, { address, connect: names.connect })
    const told: string[] = []
    world.router.on('breakerOpened', () => told.push('opened'))
    world.router.on('breakerClosed', () => told.push('closed'))
    await ownRows(world, 'acme')
    await proxy.setMode('refuse')
    const before = names.lookups
    const [cold, warm] = await Promise.all([
      hammer(16, (n) => ownRows(world, n % 2 ? 'globex' : 'initech'), forMs(SECONDS * 1_000)),
      hammer(1, () => ownRows(world, 'acme'), forMs(SECONDS * 1_000)),
    ])
    expect(names.lookups - before).toBeLessThanOrEqual(2 * SECONDS)
    expect(names.lookups - before).toBeGreaterThan(1)
    expect(codesOf(cold)).toEqual(['circuit_open', 'server_unavailable'])
    expect(
      percentile(
        cold.map(({ tookMs }) => tookMs),
        0.5,
      ),
    ).toBeLessThan(50)
    expect(
      percentile(
        cold.map(({ tookMs }) => tookMs),
        0.99,
      ),
    ).toBeLessThan(250)
    expect(codesOf(warm)).toEqual(['ok'])
    expect(world.router.stats().servers).toEqual([
      expect.objectContaining({ server: 'main', breaker: 'open', out: 1, idle: 1 }),
    ])
    await proxy.setMode('pass')
    await vi.waitFor(() => ownRows(world, 'globex'), { timeout: 2_500, interval: 20 })
    expect(told).toEqual(['opened', 'closed'])
    expect(world.router.stats().servers).toEqual([expect.objectContaining({ breaker: 'closed' })])
  })

  it('is answered with 503, a code of its own and when to try again; hosts and roles stay in the log', async () => {
    await using proxy = await startFaultProxy(sharedPostgres())
    await using world = await startWorld(['acme'], { address: proxy })
    await proxy.setMode('refuse')
    const first = await outcome(world.lease('acme'))
    const second = await outcome(world.lease('acme'))
    expect([first.code, second.code]).toEqual(['server_unavailable', 'circuit_open'])
    const problem = problemOf(asTenantryError(second.error), 'r1')
    expect(problem).toMatchObject({ status: 503, code: 'circuit_open', retryAfterSeconds: 1 })
    const { role, database } = world.placeOf('acme')
    for (const secret of ['127.0.0.1', String(proxy.port), role, database])
      expect(JSON.stringify(problem)).not.toContain(secret)
    expect(String(second.error)).toContain('main')
  })
})

describe('a server that takes connections and ends them', () => {
  it('is tried twice a second at most, for all tenants together', async () => {
    await using proxy = await startFaultProxy(sharedPostgres())
    await using world = await startWorld(TENANTS, { address: proxy })
    await proxy.setMode('accept-close')
    const outcomes = await hammer(12, (n) => ownRows(world, TENANTS[n % 3] ?? 'acme'), forMs(SECONDS * 1_000))
    expect(proxy.accepted).toBeGreaterThan(1)
    expect(proxy.accepted).toBeLessThanOrEqual(2 * SECONDS)
    expect(codesOf(outcomes)).toEqual(['circuit_open', 'server_unavailable'])
    await proxy.setMode('pass')
    for (const tenant of TENANTS)
      await vi.waitFor(() => ownRows(world, tenant), { timeout: 2_500, interval: 20 })
  })

  it('is tried twice a second at most for one tenant alone, whose fault it may be', async () => {
    await using proxy = await startFaultProxy(sharedPostgres())
    await using world = await startWorld(['acme'], { address: proxy })
    await proxy.setMode('accept-close')
    await hammer(4, () => ownRows(world, 'acme'), forMs(SECONDS * 1_000))
    expect(proxy.accepted).toBeLessThanOrEqual(2 * SECONDS)
    expect(world.router.stats().servers).toEqual([])
  })
})
