import fc from 'fast-check'
import { vi } from 'vitest'
import { loopIdle } from './model-clock.ts'
import { type Ask, ModelWorld, TENANTS } from './model-world.ts'

type Step = (world: ModelWorld) => void | Promise<void>

const tenant = fc.constantFrom(...TENANTS)
const at = fc.nat(9)
const asks: fc.Arbitrary<Ask> = fc.record({
  tenant,
  trust: fc.constantFrom('application', 'application', 'application', 'foreign'),
  class: fc.constantFrom('interactive', 'interactive', 'interactive', 'batch'),
  onlyIfWarm: fc.constantFrom(false, false, false, false, true),
})

/** A step with a name, which is what a failing run is told by. */
function named(name: string, step: Step): Step {
  return Object.assign(step, { toString: () => name })
}

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: asks.map((ask) => named(`ask ${JSON.stringify(ask)}`, (world) => world.ask(ask))) },
  {
    weight: 1,
    arbitrary: asks.map((ask) => named(`ask briefly ${JSON.stringify(ask)}`, (world) => world.ask(ask, 40))),
  },
  { weight: 7, arbitrary: at.map((n) => named(`release ${n}`, (world) => world.release(n))) },
  { weight: 7, arbitrary: at.map((n) => named(`opened ${n}`, (world) => world.servers.finishOpening(n))) },
  { weight: 4, arbitrary: at.map((n) => named(`closed ${n}`, (world) => world.servers.finishClosing(n))) },
  { weight: 2, arbitrary: at.map((n) => named(`abort ${n}`, (world) => world.abort(n))) },
  { weight: 1, arbitrary: at.map((n) => named(`kill ${n}`, (world) => void world.servers.kill(n))) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(at, fc.boolean())
      .map(([n, isStuck]) => named(`expire ${n} ${isStuck}`, (world) => world.expire(n, isStuck))),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(at, fc.constantFrom('refused', 'full', 'left behind'))
      .map(([n, how]) => named(`opening fails ${n} ${how}`, (world) => world.servers.failOpening(n, how))),
  },
  { weight: 1, arbitrary: tenant.map((id) => named(`evict ${id}`, (world) => world.evict(id))) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(tenant, fc.constantFrom('epoch', 'weight'))
      .map(([id, change]) => named(`new ${change} of ${id}`, (world) => world.rotate(id, change))),
  },
  { weight: 1, arbitrary: fc.constant(named('let go', (world) => world.servers.orphans.clear())) },
  { weight: 1, arbitrary: fc.constant(named('sweep', (world) => world.scheduler.sweep())) },
  {
    weight: 3,
    arbitrary: fc
      .constantFrom(1, 5, 30, 300, 12_000)
      .map((ms) => named(`${ms} ms`, (world) => world.settle(ms))),
  },
)

/** Runs as many random interleavings as told, in a time of their own. @returns how many leases were given. */
export async function checkModel(runs: number, maxLength: number): Promise<number> {
  let granted = 0
  using _idle = loopIdle()
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 40, maxLength, size: 'max' }), async (steps) => {
      vi.clearAllTimers()
      const world = new ModelWorld()
      for (const take of steps) {
        await take(world)
        await world.settle()
        world.check()
      }
      await world.finish()
      await world.close()
      world.checkEnded()
      granted += world.granted
    }),
    { numRuns: runs },
  )
  return granted
}
