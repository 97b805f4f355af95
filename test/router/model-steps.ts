import fc from 'fast-check'
import { vi } from 'vitest'
import { loopIdle } from './model-clock.ts'
import { type Ask, LIMITS, ModelWorld, TENANTS } from './model-world.ts'

type Step = (world: ModelWorld) => void | Promise<void>

const tenant = fc.constantFrom(...TENANTS)
const at = fc.nat(9)
const ordinary = { trust: 'application', class: 'interactive', onlyIfWarm: false } as const
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

/** What seldom comes about by chance: a full server on which one tenant's own callers come, one after the other. */
async function crowd(world: ModelWorld, hot: string, cold: string): Promise<void> {
  for (const tenant of TENANTS.filter((id) => world.serverOf(id) === world.serverOf(hot))) {
    if (tenant === cold || world.holds(tenant)) continue
    world.ask({ ...ordinary, tenant })
    await world.settle()
    while (world.servers.closing > 0) world.servers.finishClosing(0)
    await world.settle()
    while (world.servers.openings.length > 0) world.servers.finishOpening(0)
    await world.settle()
  }
  await world.settle(1)
  world.ask({ ...ordinary, tenant: cold })
  await world.settle(1)
  await takeTurns(world, hot)
}

async function takeTurns(world: ModelWorld, tenant: string): Promise<void> {
  for (let i = 0; i < 12; i++) world.ask({ ...ordinary, tenant })
  for (let i = 0; i < 12; i++) {
    world.releaseOf(tenant)
    await world.settle()
  }
}

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: asks.map((ask) => named(`ask ${JSON.stringify(ask)}`, (world) => void world.ask(ask))),
  },
  {
    weight: 1,
    arbitrary: asks.map((ask) =>
      named(`ask briefly ${JSON.stringify(ask)}`, (world) => void world.ask(ask, 40)),
    ),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(at, asks)
      .map(([n, ask]) => named(`ask within ${n} ${JSON.stringify(ask)}`, (world) => world.askWithin(n, ask))),
  },
  { weight: 7, arbitrary: at.map((n) => named(`release ${n}`, (world) => world.release(n))) },
  { weight: 7, arbitrary: at.map((n) => named(`opened ${n}`, (world) => world.servers.finishOpening(n))) },
  { weight: 4, arbitrary: at.map((n) => named(`closed ${n}`, (world) => world.servers.finishClosing(n))) },
  { weight: 2, arbitrary: at.map((n) => named(`abort ${n}`, (world) => world.abort(n))) },
  { weight: 1, arbitrary: at.map((n) => named(`kill ${n}`, (world) => void world.servers.kill(n))) },
  { weight: 1, arbitrary: at.map((n) => named(`silence ${n}`, (world) => world.servers.fallSilent(n))) },
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
      .tuple(tenant, fc.constantFrom('suspended', 'fenced'))
      .map(([id, why]) => named(`${why} ${id}`, (world) => world.cut(id, why))),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(tenant, fc.constantFrom('epoch', 'weight'))
      .map(([id, change]) => named(`new ${change} of ${id}`, (world) => world.rotate(id, change))),
  },
  { weight: 1, arbitrary: fc.constant(named('let go', (world) => world.servers.orphans.clear())) },
  { weight: 1, arbitrary: fc.constant(named('sweep', (world) => world.scheduler.sweep())) },
  { weight: 1, arbitrary: tenant.map((id) => named(`turns of ${id}`, (world) => takeTurns(world, id))) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(tenant, tenant)
      .map(([hot, cold]) => named(`crowd of ${hot}, ${cold}`, (world) => crowd(world, hot, cold))),
  },
  {
    weight: 3,
    arbitrary: fc
      .constantFrom(1, 5, 30, 300, 12_000)
      .map((ms) => named(`${ms} ms`, (world) => world.settle(ms))),
  },
)

const ground = fc.record({
  // In the wider one, the process has two places for batch leases and each server one.
  limits: fc.constantFrom(LIMITS, { ...LIMITS, process: 10, server: 6 }),
  maxPools: fc.constantFrom(100, 100, 100, 4),
  hearAborts: fc.boolean(),
  /** Whether the close comes in the middle of all, or when everyone has been served. */
  closesEarly: fc.boolean(),
})

export interface ModelTally {
  /** Leases given. */
  granted: number
  /** How often one caller was passed in one scope, at most. */
  mostPasses: number
}

/** Runs as many random interleavings as told, in a time of their own. */
export async function checkModel(runs: number, maxLength: number): Promise<ModelTally> {
  const tally = { granted: 0, mostPasses: 0 }
  using _idle = loopIdle()
  const steps = fc.array(step, { minLength: 40, maxLength, size: 'max' })
  await fc.assert(
    fc.asyncProperty(steps, ground, async (taken, { limits, maxPools, hearAborts, closesEarly }) => {
      vi.clearAllTimers()
      const world = new ModelWorld({ maxPools }, limits)
      world.servers.hearAborts = hearAborts
      for (const take of taken) {
        await take(world)
        await world.settle()
        world.check()
      }
      if (!closesEarly) await world.finish()
      await world.close()
      world.checkEnded()
      tally.granted += world.granted
      tally.mostPasses = Math.max(tally.mostPasses, world.passes.most)
    }),
    { numRuns: runs },
  )
  return tally
}
