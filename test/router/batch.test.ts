import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { leaseTerms } from '../../src/router/lease-options.ts'
import { RouterOptions } from '../../src/router/options.ts'
import { MAX_PASSES } from '../../src/router/scheduling/turns.ts'
import { startWorld, type World } from '../support/world.ts'
import { loopIdle } from './model-clock.ts'
import { type Ask, ModelWorld } from './model-world.ts'

const whose = { text: 'select distinct tenant from notes' }

/** Three callers that use the tenant without a pause while `meanwhile` lasts. */
async function busy<T>(world: World, tenant: string, meanwhile: () => Promise<T>): Promise<T> {
  let isOver = false
  const use = async () => {
    while (!isOver) {
      using lease = await world.lease(tenant)
      await lease.run({ text: 'select 1' })
    }
  }
  const users = Array.from({ length: 3 }, use)
  await vi.waitFor(() => expect(world.router.stats().waiters).toBeGreaterThan(0))
  try {
    return await meanwhile()
  } finally {
    isOver = true
    await Promise.all(users)
  }
}

describe('a batch lease beside a tenant that is used without a pause', () => {
  it('leaves it its only connection, and is refused at its own deadline', async () => {
    await using world = await startWorld(['acme'], { maxConnections: 1, lodgers: ['globex'] })
    const opened: string[] = []
    world.router.on('opened', ({ tenant }) => opened.push(tenant))
    await busy(world, 'acme', async () => {
      const batch = world.lease('globex', { class: 'batch', acquireTimeoutMs: 300 })
      await expect(batch.then((lease) => lease.release())).rejects.toMatchObject({ code: 'acquire_timeout' })
    })
    expect(opened).toEqual(['acme'])
  })

  describe('in a time that stands', () => {
    const interactive: Ask = { tenant: 'acme', trust: 'application', class: 'interactive', onlyIfWarm: false }
    let clock: Disposable | undefined
    beforeEach(() => {
      clock = loopIdle()
    })
    afterEach(() => clock?.[Symbol.dispose]())

    /** Somebody of acme has its connection, which is all there is room for, and another waits. */
    async function inUse(limits: RouterOptions): Promise<ModelWorld> {
      const world = new ModelWorld({ maxConnectionsPerTenant: 1, ...limits })
      world.ask(interactive)
      await world.settle()
      world.servers.finishOpening(0)
      await world.settle()
      return world
    }

    /** Acme's connection is given back and taken by the next, who came a second after the last, until it is not. */
    async function keptFor(world: ModelWorld, rounds: number): Promise<number> {
      for (let round = 0; round < rounds; round++) {
        await world.settle(1_000)
        world.ask(interactive)
        world.releaseOf('acme')
        await world.settle()
        if (!world.holds('acme')) return round
      }
      return rounds
    }

    it.each([{ maxConnections: 1 }, { maxPools: 1 }])('never takes its place: %o', async (limits) => {
      const world = await inUse(limits)
      world.ask({ ...interactive, tenant: 'initech', class: 'batch' })
      expect(await keptFor(world, 2 * MAX_PASSES)).toBe(2 * MAX_PASSES)
    })

    it('never takes the place of one whose lease was long', async () => {
      const world = await inUse({ maxConnections: 1 })
      await world.settle(60_000)
      world.releaseOf('acme')
      world.ask({ ...interactive, tenant: 'initech', class: 'batch' })
      await world.settle(9_000)
      expect(world.servers.closing).toBe(0)
      await world.settle(2_000)
      expect(world.servers.closing).toBe(1)
    })

    it.each(['umbrella', 'initech'])('hides no interactive one behind it, of %s', async (tenant) => {
      const world = await inUse({ maxConnections: 1 })
      world.ask({ ...interactive, tenant: 'initech', class: 'batch' })
      world.ask({ ...interactive, tenant })
      expect(await keptFor(world, 1)).toBe(0)
      world.servers.finishClosing(0)
      await world.settle()
      expect(world.servers.openings.map(({ tenant: of }) => of)).toEqual([tenant])
    })

    it('gets no connection that was opened for an interactive one of its tenant', async () => {
      const world = await inUse({ maxConnections: 1 })
      const batch = world.ask({ ...interactive, tenant: 'initech', class: 'batch' })
      const urgent = world.ask({ ...interactive, tenant: 'initech' })
      expect(await keptFor(world, 1)).toBe(0)
      world.servers.finishClosing(0)
      await world.settle()
      world.servers.finishOpening(0)
      await world.settle()
      expect([batch.state, urgent.state]).toEqual(['waiting', 'leased'])
    })
  })
})

it('a batch lease waits by default for longer than a pool stays hot, and than an interactive one', () => {
  const router = RouterOptions.parse({})
  expect(leaseTerms({}, router).acquireTimeoutMs).toBe(5_000)
  expect(leaseTerms({ class: 'batch' }, router).acquireTimeoutMs).toBe(30_000)
  expect(leaseTerms({ class: 'batch', acquireTimeoutMs: 40 }, router).acquireTimeoutMs).toBe(40)
  const patient = RouterOptions.parse({ acquireTimeoutMs: 60_000 })
  expect(leaseTerms({ class: 'batch' }, patient).acquireTimeoutMs).toBe(60_000)
})

describe('a batch lease that waits for its share', () => {
  it('keeps no interactive one behind it waiting', async () => {
    await using world = await startWorld(['acme', 'globex'], { maxConnections: 5 })
    const sweep = await world.lease('acme', { class: 'batch' })
    const batch = world.lease('globex', { class: 'batch' })
    await vi.waitFor(() => expect(world.router.stats().waiters).toBe(1))
    const interactive = await world.lease('globex', { acquireTimeoutMs: 2_000 })
    expect((await interactive.run(whose)).rows).toEqual([{ tenant: 'globex' }])
    interactive.release()
    sweep.release()
    ;(await batch).release()
  })

  it('makes no tenant give its connection up', async () => {
    await using world = await startWorld(['acme', 'globex', 'initech'], { maxConnections: 2 })
    using sweep = await world.lease('initech', { class: 'batch' })
    const batch = world.lease('globex', { class: 'batch', acquireTimeoutMs: 600 })
    let opened = 0
    world.router.on('opened', () => opened++)
    const until = performance.now() + 400
    const use = async () => {
      while (performance.now() < until) {
        using lease = await world.lease('acme')
        await lease.run({ text: 'select 1' })
      }
    }
    await Promise.all([use(), use(), use(), expect(batch).rejects.toMatchObject({ code: 'acquire_timeout' })])
    expect(opened).toBe(1)
    await sweep.run({ text: 'select 1' })
  })

  it('is served as soon as another batch lease ends, whoever gets that connection', async () => {
    await using world = await startWorld(['acme', 'globex'], {
      maxConnections: 5,
      maxConnectionsPerTenant: 1,
    })
    ;(await world.lease('globex')).release()
    const sweep = await world.lease('acme', { class: 'batch' })
    const next = world.lease('acme')
    const batch = world.lease('globex', { class: 'batch', acquireTimeoutMs: 5_000 })
    await vi.waitFor(() => expect(world.router.stats().waiters).toBe(2))
    const startedAt = performance.now()
    sweep.release()
    ;(await batch).release()
    expect(performance.now() - startedAt).toBeLessThan(500)
    ;(await next).release()
  })

  it('goes on through a sweep of cold tenants in a full budget, and ends no tenant that is used', async () => {
    const cold = ['a', 'b', 'c', 'd', 'e', 'f']
    await using world = await startWorld(['acme'], { maxConnections: 3, lodgers: ['globex', ...cold] })
    for (const tenant of ['acme', 'globex']) (await world.lease(tenant)).release()
    for (const tenant of cold) {
      using lease = await world.lease(tenant, { class: 'batch', acquireTimeoutMs: 5_000 })
      await lease.run({ text: 'select 1' })
    }
    const open = world.router.stats().pools.filter(({ idle }) => idle === 1)
    expect(open.map(({ tenant }) => tenant).sort()).toEqual(['acme', 'f', 'globex'])
  })
})
