import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startWorld } from '../support/world.ts'
import { loopIdle } from './model-clock.ts'
import { type Ask, LIMITS, ModelWorld } from './model-world.ts'

const acme: Ask = { tenant: 'acme', trust: 'application', class: 'interactive', onlyIfWarm: false }

/** Two callers of one tenant for so many milliseconds: one has the connection, the other waits. */
async function twoCallersFor(waitMs: number): Promise<ModelWorld> {
  const world = new ModelWorld()
  world.ask(acme)
  world.ask(acme)
  await world.settle()
  world.servers.finishOpening(0)
  for (let ms = 0; ms < waitMs; ms += 2) await world.settle(2)
  return world
}

describe('a tenant with a connection and a waiter', () => {
  let clock: Disposable | undefined
  afterEach(() => clock?.[Symbol.dispose]())

  describe('while the event loop has nothing to do', () => {
    beforeEach(() => {
      clock = loopIdle()
    })

    it('grows: it is the server that takes the time', async () => {
      const world = await twoCallersFor(4)
      expect(world.servers.openings).toHaveLength(1)
    })

    it('does not close what another tenant used within the last ten seconds, and does later', async () => {
      const world = new ModelWorld()
      for (const tenant of ['acme', 'initech', 'umbrella']) {
        world.ask({ ...acme, tenant })
        await world.settle()
        world.servers.finishOpening(0)
        await world.settle()
      }
      world.releaseOf('initech')
      world.releaseOf('umbrella')
      world.ask(acme)
      await world.settle(9_000)
      expect(world.scheduler.budget.out('server', 'even')).toBe(LIMITS.server)
      expect(world.servers.closing).toBe(0)
      await world.settle(3_000)
      expect(world.servers.closing).toBe(1)
    })
  })

  it('grows later while the event loop is at work, as another connection only adds to that; yet it grows', async () => {
    clock = loopIdle(() => 0)
    expect((await twoCallersFor(14)).servers.openings).toEqual([])
    expect((await twoCallersFor(18)).servers.openings).toHaveLength(1)
  })

  it('comes to as many connections as it has callers, where each statement takes the server 2 ms', async () => {
    await using world = await startWorld(['acme'], { maxConnections: 100 })
    const until = performance.now() + 10_000
    const isFull = () => world.router.stats().connections.out >= 8
    const caller = async () => {
      while (!isFull() && performance.now() < until) {
        using lease = await world.lease('acme')
        await lease.run({ text: 'select pg_sleep(0.002)' })
      }
    }
    await Promise.all(Array.from({ length: 8 }, caller))
    expect(world.router.stats().connections.out).toBe(8)
  })
})
