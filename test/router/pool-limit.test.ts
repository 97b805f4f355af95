import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { loopIdle } from './model-clock.ts'
import { ModelWorld } from './model-world.ts'

const application = { trust: 'application', class: 'interactive', onlyIfWarm: false } as const
let clock: Disposable | undefined

/** What closes is closed, what opens is opened. */
async function makeWay(world: ModelWorld): Promise<void> {
  await world.settle()
  world.servers.finishClosing(0)
  await world.settle()
  world.servers.finishOpening(0)
  await world.settle()
}

describe('a tenant for which there is no place among the pools', () => {
  beforeEach(() => {
    clock = loopIdle()
  })
  afterEach(() => clock?.[Symbol.dispose]())

  it('gets that of one whose callers all want a connection that it has not: nobody waits for the other', async () => {
    const world = new ModelWorld({ maxPools: 1 })
    world.ask({ ...application, tenant: 'acme', trust: 'foreign' })
    await makeWay(world)
    const older = world.ask({ ...application, tenant: 'initech' })
    await world.settle(50)
    const younger = world.ask({ ...application, tenant: 'acme' })
    world.releaseOf('acme')
    await makeWay(world)
    expect([older.state, younger.state]).toEqual(['leased', 'waiting'])
    world.releaseOf('initech')
    await makeWay(world)
    expect(younger.state).toBe('leased')
  })

  it('gets that of one whose backends are only kept by a server that says nothing', async () => {
    const world = new ModelWorld({ maxPools: 1 })
    world.ask({ ...application, tenant: 'acme' })
    await makeWay(world)
    world.servers.fallSilent(0)
    await world.settle()
    expect(world.scheduler.budget.out('server', world.serverOf('acme'))).toBe(1)
    const other = world.ask({ ...application, tenant: 'initech' })
    await makeWay(world)
    expect(other.state).toBe('leased')
  })
})
