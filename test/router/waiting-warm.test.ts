import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { loopIdle } from './model-clock.ts'
import { type Ask, ModelWorld } from './model-world.ts'

const acme: Ask = { tenant: 'acme', trust: 'application', class: 'interactive', onlyIfWarm: false }

describe('a caller that takes open connections only, and waits for one', () => {
  let clock: Disposable
  beforeEach(() => {
    clock = loopIdle()
  })
  afterEach(() => clock[Symbol.dispose]())

  /** The tenant's one connection is on lease, and somebody waits for it. */
  async function waiting(): Promise<ModelWorld> {
    const world = new ModelWorld()
    world.ask(acme)
    await world.settle()
    world.servers.finishOpening(0)
    await world.settle()
    world.ask({ ...acme, onlyIfWarm: true })
    await world.settle(1_000)
    expect(world.isAsking('acme')).toBe(true)
    expect(world.servers.openings).toEqual([])
    return world
  }

  it('gets it when it comes back', async () => {
    const world = await waiting()
    world.releaseOf('acme')
    await world.settle()
    expect(world.isAsking('acme')).toBe(false)
    expect(world.holds('acme')).toBe(true)
  })

  it('is refused when it ends', async () => {
    const world = await waiting()
    world.servers.kill(0)
    await world.settle()
    expect(world.isAsking('acme')).toBe(false)
    expect(world.servers.openings).toEqual([])
  })

  it('is refused when the tenant has another route, to which nothing is open', async () => {
    const world = await waiting()
    world.rotate('acme', 'epoch')
    await world.settle()
    expect(world.isAsking('acme')).toBe(false)
    expect(world.servers.openings).toEqual([])
  })
})
