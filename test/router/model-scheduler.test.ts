import { expect, it } from 'vitest'
import { loopIdle } from './model-clock.ts'
import { checkModel } from './model-steps.ts'
import { LIMITS, ModelWorld } from './model-world.ts'

it('holds the scheduler’s invariants after every step of random interleavings, and all ends', async () => {
  const { granted, mostPasses } = await checkModel(120, 160)
  expect(granted).toBeGreaterThan(2_000)
  expect(mostPasses).toBeGreaterThan(5)
}, 60_000)

it('counts it as a pass where one with a place among the pools grows, before an older caller that has none', async () => {
  using _idle = loopIdle()
  const world = new ModelWorld({ maxPools: 1 }, { ...LIMITS, process: 2 })
  await world.settle(1_000)
  const ordinary = { trust: 'application', class: 'interactive', onlyIfWarm: false } as const
  world.ask({ ...ordinary, tenant: 'acme' })
  await world.settle()
  world.servers.finishOpening(0)
  await world.settle(1)
  world.ask({ ...ordinary, tenant: 'initech' })
  await world.settle(1)
  world.ask({ ...ordinary, tenant: 'acme' })
  for (let i = 0; i < 200 && world.servers.openings.length === 0; i++) await world.settle(10)
  expect(world.servers.openings).toHaveLength(1)
  expect(world.passes.most).toBe(1)
  const waiting = [...world.scheduler.pools].find(({ id }) => id === 'initech')
  expect(waiting?.scopes.server.passes).toBe(1)
  await world.close()
})
