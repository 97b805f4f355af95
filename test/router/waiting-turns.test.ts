import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MAX_PASSES } from '../../src/router/scheduling/turns.ts'
import { loopIdle } from './model-clock.ts'
import { type Ask, LIMITS, ModelWorld } from './model-world.ts'

const application = { trust: 'application', class: 'interactive', onlyIfWarm: false } as const
const ask = (tenant: string): Ask => ({ ...application, tenant })
/** What `rotate` makes a tenant weigh at most. */
const HEAVIEST = 3
let clock: Disposable | undefined

/** A world in which the tenants have one connection each, on lease, and no server has room for more. */
async function full(...tenants: string[]): Promise<ModelWorld> {
  const world = new ModelWorld()
  for (const tenant of tenants) {
    world.ask(ask(tenant))
    await world.settle()
    world.servers.finishOpening(0)
    await world.settle()
  }
  return world
}

/** Gives back, closes and opens whatever can be, until the tenant has its lease. @returns how many others got one. */
async function grantsBefore(tenant: string, world: ModelWorld): Promise<number> {
  const before = world.granted
  for (let i = 0; i < 1_000 && !world.holds(tenant); i++) {
    world.release(0)
    await world.settle()
    world.servers.finishClosing(0)
    await world.settle(1)
    world.servers.finishOpening(0)
    await world.settle()
  }
  return world.granted - before - 1
}

describe('turns between tenants', () => {
  beforeEach(() => {
    clock = loopIdle()
  })
  afterEach(() => clock?.[Symbol.dispose]())

  it('pass nobody more often than stated, though time stands still and others ask on and on', async () => {
    const world = await full('acme', 'initech', 'umbrella')
    expect(world.scheduler.budget.out('server', 'even')).toBe(LIMITS.server)
    world.ask(ask('wayne'))
    await world.settle(1)
    let passes = 0
    while (world.servers.openings.length === 0 && passes <= MAX_PASSES) {
      world.ask(ask('acme'))
      await world.settle()
      world.releaseOf('acme')
      await world.settle()
      if (world.holds('acme')) passes++
      world.servers.finishClosing(0)
      await world.settle()
    }
    expect(passes).toBe(MAX_PASSES)
    expect(world.servers.openings.map(({ tenant }) => tenant)).toEqual(['wayne'])
  })

  it('pass nobody more often than stated where a heavier one is behind it and a tenant that grows before it', async () => {
    const world = await full('acme', 'initech', 'umbrella')
    world.rotate('pym', 'weight')
    const passWith = async (asks: number) => {
      for (let i = 0; i < asks; i++) world.ask(ask('acme'))
      for (let i = 0; i < asks; i++) {
        world.releaseOf('acme')
        await world.settle()
      }
    }
    world.ask(ask('initech'))
    await world.settle(5)
    world.ask(ask('wayne'))
    await world.settle(1)
    const before = world.granted
    await passWith(10)
    world.ask(ask('pym'))
    await world.settle(12)
    await passWith(2 * MAX_PASSES)
    expect(world.granted - before).toBe(MAX_PASSES)
  })

  it('pass nobody more often than stated, however many heavier ones wait as long', async () => {
    const world = await full('globex', 'hooli', 'stark')
    const heavy = Array.from({ length: 3 * MAX_PASSES }, (_, i) => `heavy-${i}`)
    for (const tenant of heavy) for (let i = 1; i < HEAVIEST; i++) world.rotate(tenant, 'weight')
    world.ask(ask('light'))
    await world.settle(1)
    for (const tenant of heavy) world.ask(ask(tenant))
    await world.settle(100)
    expect(await grantsBefore('light', world)).toBe(MAX_PASSES)
  })

  it('pass nobody unseen when the one before it leaves', async () => {
    const world = await full('acme', 'initech', 'umbrella')
    world.ask(ask('pym'))
    await world.settle(1)
    world.ask(ask('wayne'))
    await world.settle(1)
    for (let i = 0; i < 2 * MAX_PASSES; i++) world.ask(ask('acme'))
    world.abort(0)
    await world.settle()
    expect(world.isAsking('pym')).toBe(false)
    let passes = 0
    while (world.holds('acme')) {
      world.releaseOf('acme')
      await world.settle()
      if (world.holds('acme')) passes++
    }
    expect(passes).toBe(MAX_PASSES)
  })

  it('pass nobody more often than stated, though its tenant gets a new epoch while it waits', async () => {
    const world = await full('acme', 'initech', 'umbrella')
    world.ask(ask('wayne'))
    await world.settle(1)
    const before = world.granted
    for (let i = 0; i <= MAX_PASSES; i++) {
      if (i === 20) world.rotate('wayne', 'epoch')
      world.ask(ask('acme'))
      world.releaseOf('acme')
      await world.settle()
    }
    expect(world.granted - before).toBe(MAX_PASSES)
  })

  it('go to who came first, of tenants without a connection', async () => {
    const world = await full('acme', 'initech', 'umbrella')
    for (const tenant of ['wayne', 'pym']) {
      world.ask(ask(tenant))
      await world.settle(1)
    }
    world.releaseOf('acme')
    world.servers.finishClosing(0)
    await world.settle()
    expect(world.servers.openings.map(({ tenant }) => tenant)).toEqual(['wayne'])
  })

  it('count a wait by the tenant’s weight', async () => {
    const world = await full('acme', 'initech', 'umbrella')
    world.rotate('pym', 'weight')
    world.ask(ask('wayne'))
    await world.settle(10)
    world.ask(ask('pym'))
    await world.settle(30)
    world.releaseOf('acme')
    world.servers.finishClosing(0)
    await world.settle()
    expect(world.servers.openings.map(({ tenant }) => tenant)).toEqual(['pym'])
  })

  it('leave a tenant its connection while its own next came at about the same time as the other’s', async () => {
    const world = await full('acme', 'initech', 'umbrella')
    world.ask(ask('wayne'))
    await world.settle(20)
    world.ask(ask('acme'))
    await world.settle()
    world.releaseOf('acme')
    await world.settle()
    expect(world.holds('acme')).toBe(true)
    await world.settle(10)
    world.ask(ask('acme'))
    world.releaseOf('acme')
    await world.settle()
    expect(world.holds('acme')).toBe(false)
    world.servers.finishClosing(0)
    await world.settle()
    expect(world.servers.openings.map(({ tenant }) => tenant)).toEqual(['wayne'])
  })
})

describe('a tenant whose connections die young', () => {
  beforeEach(() => {
    clock = loopIdle()
  })
  afterEach(() => clock?.[Symbol.dispose]())

  it('opens five a second at most, whoever asks', async () => {
    const world = new ModelWorld()
    let opened = 0
    for (let ms = 0; ms < 2_000; ms += 10) {
      if (!world.isAsking('acme')) world.ask(ask('acme'))
      opened += world.servers.openings.length
      world.servers.finishOpening(0)
      await world.settle()
      world.servers.kill(0)
      await world.settle(10)
    }
    expect(opened).toBeGreaterThan(5)
    expect(opened).toBeLessThanOrEqual(11)
  })
})
