import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { loopIdle } from './model-clock.ts'
import { ModelWorld } from './model-world.ts'

const request = {
  trust: 'application',
  class: 'interactive',
  onlyIfWarm: false,
  timeoutMs: 5_000,
  signal: undefined,
  context: undefined,
} as const

/** Between the turn in which a caller finds its tenant's pool and the one in which it asks, others have theirs. */
describe('a caller whose pool has ended before it asks', () => {
  let clock: Disposable
  beforeEach(() => {
    clock = loopIdle()
  })
  afterEach(() => clock[Symbol.dispose]())

  it('gets its connection from one that is counted, seen and closed as every other', async () => {
    const world = new ModelWorld()
    const pool = world.poolOf('acme')
    world.scheduler.follow(pool.record, pool.revision, pool.server)
    expect(world.scheduler.pools.size).toBe(0)
    const granted = world.scheduler.acquire(pool, request)
    await world.settle()
    world.servers.finishOpening(0)
    await world.settle()
    world.check()
    const slot = await granted
    expect([...world.scheduler.pools]).toEqual([slot.pool])
    world.scheduler.giveBack(slot, undefined)
    world.evict('acme')
    world.servers.finishClosing(0)
    await world.settle()
    world.checkEnded()
  })

  it('gets one of the pool that took its place, and none by the record of before', async () => {
    const world = new ModelWorld()
    const pool = world.poolOf('acme')
    world.rotate('acme', 'epoch')
    world.ask({ ...request, tenant: 'acme' })
    const granted = world.scheduler.acquire(pool, request)
    await world.settle()
    world.servers.finishOpening(0)
    await world.settle()
    world.releaseOf('acme')
    expect((await granted).pool.record.epoch).toBe(pool.record.epoch + 1)
  })

  it('is told why where the pool was cut', () => {
    const world = new ModelWorld()
    const pool = world.poolOf('acme')
    const error = new Error('the tenant is suspended')
    world.scheduler.cut(pool.id, 'suspended', error)
    expect(() => world.scheduler.acquire(pool, request)).toThrow(error)
    expect(world.scheduler.pools.size).toBe(0)
  })
})
