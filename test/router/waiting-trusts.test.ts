import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MAX_PASSES } from '../../src/router/scheduling/turns.ts'
import { loopIdle } from './model-clock.ts'
import { type Ask, LIMITS, ModelWorld } from './model-world.ts'

const application: Ask = { tenant: 'acme', trust: 'application', class: 'interactive', onlyIfWarm: false }
const foreign: Ask = { ...application, trust: 'foreign' }
let clock: Disposable | undefined

/** A tenant with all the connections it may have, on lease to its application. */
async function atItsLimit(): Promise<ModelWorld> {
  const world = new ModelWorld()
  for (let i = 0; i < LIMITS.tenant; i++) {
    world.ask(application)
    await world.settle(1_000)
    world.servers.finishOpening(0)
    await world.settle()
  }
  expect(world.granted).toBe(LIMITS.tenant)
  return world
}

describe('a tenant at its own limit, whose tenant keys ask beside its application', () => {
  beforeEach(() => {
    clock = loopIdle()
  })
  afterEach(() => clock?.[Symbol.dispose]())

  it('gives the first connection that comes back to who needs one of the other trust class', async () => {
    const world = await atItsLimit()
    world.ask(foreign)
    await world.settle(1)
    world.releaseOf('acme')
    await world.settle()
    world.servers.finishClosing(0)
    await world.settle()
    world.servers.finishOpening(0)
    await world.settle()
    expect(world.granted).toBe(LIMITS.tenant + 1)
  })

  it('passes nobody of one trust class for ever, though the other asks on and on', async () => {
    const world = await atItsLimit()
    world.ask(foreign)
    await world.settle(1)
    let passes = 0
    while (world.servers.openings.length === 0 && passes <= MAX_PASSES) {
      world.ask(application)
      await world.settle()
      const before = world.granted
      world.releaseOf('acme')
      await world.settle()
      passes += world.granted - before
      world.servers.finishClosing(0)
      await world.settle()
    }
    expect(passes).toBeLessThanOrEqual(MAX_PASSES)
    expect(world.servers.openings).toHaveLength(1)
  })
})
