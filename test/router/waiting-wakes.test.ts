import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { loopIdle } from './model-clock.ts'
import { type Ask, ModelWorld } from './model-world.ts'

const acme: Ask = { tenant: 'acme', trust: 'application', class: 'interactive', onlyIfWarm: false }
const batch: Ask = { ...acme, class: 'batch' }
const initech: Ask = { ...acme, tenant: 'initech' }
let clock: Disposable | undefined

/** Asks, and opens where that takes a further connection. */
async function leased(world: ModelWorld, ask: Ask): Promise<void> {
  world.ask(ask)
  await world.settle(1_000)
  world.servers.finishOpening(0)
  await world.settle()
}

function waiting(world: ModelWorld, tenant: string): number {
  return world.requests.filter((request) => request.state === 'waiting' && request.ask.tenant === tenant)
    .length
}

describe('whoever waits', () => {
  beforeEach(() => {
    clock = loopIdle()
  })
  afterEach(() => clock?.[Symbol.dispose]())

  it('is tried again when what a full server showed to have room for goes stale, though nothing else happens', async () => {
    const world = new ModelWorld()
    await leased(world, acme)
    world.ask(initech)
    await world.settle()
    world.servers.failOpening(0, 'full')
    await world.settle(2_500)
    expect(world.servers.openings).toEqual([])
    await world.settle(1_500)
    expect(world.servers.openings.map(({ tenant }) => tenant)).toEqual(['initech'])
  })

  it('gets a place among the pools, though the tenant that has it asks all the time', async () => {
    const world = new ModelWorld({ maxPools: 1 })
    for (let i = 0; i < 3; i++) await leased(world, acme)
    for (let i = 0; i < 6; i++) world.ask(acme)
    world.ask(initech)
    await world.settle(30)
    for (let step = 0; step < 60 && !world.holds('initech'); step++) {
      while (waiting(world, 'acme') < 6) world.ask(acme)
      world.releaseOf('acme')
      await world.settle(1)
      if (step % 3 === 0) world.servers.finishClosing(0)
      if (step % 3 === 1) world.servers.finishOpening(0)
      await world.settle(1)
    }
    expect(world.holds('initech')).toBe(true)
  })

  it('for a place in the batch share keeps nobody else from an idle connection, though the line is full', async () => {
    const world = new ModelWorld({ maxWaiters: 1 })
    await leased(world, acme)
    await leased(world, batch)
    world.ask(batch)
    world.release(0)
    await world.settle()
    expect(waiting(world, 'acme')).toBe(1)
    const before = world.granted
    world.ask(acme)
    await world.settle()
    expect(world.granted).toBe(before + 1)
  })

  it('takes the connection that its tenant has beside another, not the only one of a trust class', async () => {
    const world = new ModelWorld()
    await leased(world, { ...acme, trust: 'foreign' })
    world.releaseOf('acme')
    await world.settle(1)
    for (let i = 0; i < 2; i++) await leased(world, acme)
    for (let i = 0; i < 2; i++) world.releaseOf('acme')
    await leased(world, initech)
    const kept = [...world.poolOf('acme').slots].filter(({ isLive }) => isLive).map(({ trust }) => trust)
    expect(kept).toEqual(['foreign', 'application'])
  })
})
