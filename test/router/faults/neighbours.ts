import { describe, it, vi } from 'vitest'
import { type FaultMode, startFaultProxy } from '../../support/fault-proxy.ts'
import { sharedPostgres } from '../../support/postgres.ts'
import { startWorld } from '../../support/world.ts'
import { codesOf, forMs, hammer, outcome } from '../fault-ground.ts'
import { moveTo, touch } from './another-server.ts'

const MODES: readonly FaultMode[] = ['refuse', 'accept-close', 'reset', 'black-hole', 'half-open']
/** Short, for the sake of those who wait in vain; ample for the others, also where the machine is busy. */
const DEADLINES = { connectTimeoutMs: 1_500, acquireTimeoutMs: 2_000, leaseTimeoutMs: 1_000 }
/** All on the server that fails; the last two without a connection when it does. */
const BROKEN = ['globex', 'initech', 'umbrella', 'hooli']

/** Criterion G3 of the matrix, without its time. */
export function describeNeighbours({ ms }: { ms: number }): void {
  describe('tenants on another server than the one that fails', () => {
    // Side by side: most of their time is waiting.
    it.concurrent.for(MODES)(
      `see no error while it fails by %s for ${ms} ms, with a connection or without`,
      { timeout: ms + 60_000 },
      async (mode, { expect }) => {
        await using proxy = await startFaultProxy(sharedPostgres())
        const options = { address: proxy, lodgers: [...BROKEN, 'cold'], ...DEADLINES }
        await using world = await startWorld(['warm'], options)
        await moveTo(world, ['warm', 'cold'], 'sound', sharedPostgres())
        for (const tenant of BROKEN) await touch(world, tenant)
        for (const tenant of BROKEN.slice(2)) world.router.evict(tenant)
        await proxy.setMode(mode)
        const asked = { warm: 0, cold: 0 }
        const isTimeOver = forMs(ms)
        const until = () => isTimeOver() && asked.warm >= 20 && asked.cold >= 5
        const cold = () => {
          asked.cold++
          world.router.evict('cold')
          return touch(world, 'cold')
        }
        const warm = () => {
          asked.warm++
          return touch(world, 'warm')
        }
        const [broken, ...others] = await Promise.all([
          hammer(BROKEN.length, (n) => touch(world, BROKEN[n] ?? ''), until),
          hammer(1, warm, until),
          hammer(1, cold, until),
        ])
        expect(codesOf(broken).filter((code) => code !== 'ok')).not.toEqual([])
        expect(others.map(codesOf)).toEqual([['ok'], ['ok']])
        await proxy.setMode('pass')
        for (const tenant of BROKEN)
          await vi.waitFor(() => touch(world, tenant), { timeout: 5_000, interval: 20 })
      },
    )

    it('open as ever while two others are silent and logins to them hang', async ({ expect }) => {
      await using proxy = await startFaultProxy(sharedPostgres())
      const hanging = Array.from({ length: 16 }, (_, i) => `hanging-${i}`)
      const options = {
        address: proxy,
        lodgers: [...hanging, 'cold'],
        maxOpening: 8,
        connectTimeoutMs: 4_000,
      }
      await using world = await startWorld(['warm'], options)
      await moveTo(world, ['cold'], 'sound', sharedPostgres())
      await moveTo(world, hanging.slice(8), 'second', proxy)
      for (const tenant of [...hanging, 'cold']) world.router.evict(tenant)
      await vi.waitFor(() => expect(world.router.stats().pools).toEqual([]))
      await proxy.setMode('black-hole')
      const lost = hanging.map((tenant) => outcome(touch(world, tenant)))
      await vi.waitFor(() => expect(world.router.stats().connections.opening).toBe(8))
      const cold = await outcome(touch(world, 'cold'))
      expect(cold.code).toBe('ok')
      // The others are given up after four seconds, and counted for everybody during half a one.
      expect(cold.tookMs).toBeLessThan(2_500)
      await world.router.close()
      expect(codesOf(await Promise.all(lost))).not.toContain('ok')
    })
  })
}
