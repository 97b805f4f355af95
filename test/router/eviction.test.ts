import { describe, expect, it, vi } from 'vitest'
import { startWorld, type World } from '../support/world.ts'

async function touch(world: World, ...tenants: string[]): Promise<void> {
  for (const tenant of tenants) {
    using lease = await world.lease(tenant)
    await lease.run({ text: 'select 1' })
  }
}

const openTenants = (world: World) =>
  world.router
    .stats()
    .pools.filter((pool) => pool.idle + pool.leased > 0)
    .map((pool) => pool.tenant)
    .sort()

describe('eviction', () => {
  it('closes the least recently used idle pool when a new tenant needs room', async () => {
    await using world = await startWorld(['acme', 'globex', 'initech'], { maxPools: 2 })
    await touch(world, 'acme', 'globex', 'initech')
    expect(openTenants(world)).toEqual(['globex', 'initech'])
    await vi.waitFor(async () => expect(await world.sessionsOf('acme')).toBe(0))
    expect(await world.sessions()).toBe(2)
  })

  it('never closes a pool that has a lease out', async () => {
    await using world = await startWorld(['acme', 'globex', 'initech'], {
      maxPools: 2,
      poolIdleTimeoutMs: 50,
    })
    using held = await world.lease('acme')
    await touch(world, 'globex', 'initech')
    await vi.waitFor(async () => expect(await world.sessions()).toBe(1))
    expect((await held.run({ text: 'select distinct tenant from notes' })).rows).toEqual([{ tenant: 'acme' }])
  })

  it('keeps a pool that is used often when a sweep passes over many others', async () => {
    await using world = await startWorld(['hot', 'a', 'b', 'c', 'd'], { maxConnections: 2 })
    for (let i = 0; i < 5; i++) await touch(world, 'hot')
    await touch(world, 'a', 'b', 'c', 'd')
    expect(openTenants(world)).toEqual(['d', 'hot'])
  })

  it('closes what was idle for too long', async () => {
    await using world = await startWorld(['acme', 'globex'], { poolIdleTimeoutMs: 100 })
    const evicted: string[] = []
    world.router.on('evicted', ({ tenant, reason }) => evicted.push(`${tenant} ${reason}`))
    await touch(world, 'acme', 'globex')
    await vi.waitFor(async () => expect(await world.sessions()).toBe(0))
    expect(evicted.sort()).toEqual(['acme idle', 'globex idle'])
    expect(world.router.stats().connections.out).toBe(0)
  })

  it('replaces a connection that has lived its life while it is idle', async () => {
    await using world = await startWorld(['acme'], { maxConnectionLifetimeMs: 100 })
    using held = await world.lease('acme')
    await vi.waitFor(async () => {
      await held.run({ text: 'select pg_sleep(0.05)' })
      expect(performance.now() - held.connection.openedAt).toBeGreaterThan(200)
    })
    held.release()
    await vi.waitFor(async () => expect(await world.sessions()).toBe(0))
  })

  it('replaces a connection that holds too many prepared statements', async () => {
    await using world = await startWorld(['acme'], { maxStatementsPerConnection: 5 })
    const closed: string[] = []
    world.router.on('closed', ({ reason }) => closed.push(reason))
    {
      using lease = await world.lease('acme')
      for (let i = 0; i < 6; i++) await lease.run({ text: `select ${i} + $1::int as n`, params: [1] })
    }
    await vi.waitFor(() => expect(closed).toEqual(['statements']))
  })

  it('on demand closes what is idle, and what is leased once it comes back', async () => {
    await using world = await startWorld(['acme'])
    using held = await world.lease('acme')
    await touch(world, 'acme')
    expect(world.router.evict('acme')).toBe(1)
    await held.run({ text: 'select 1' })
    held.release()
    await vi.waitFor(async () => expect(await world.sessions()).toBe(0))
    await touch(world, 'acme')
    expect(await world.sessions()).toBe(1)
  })

  it('does not let a batch lease end a pool that was used a moment ago', async () => {
    await using world = await startWorld(['acme', 'globex'], { maxConnections: 1 })
    await touch(world, 'acme')
    const sweep = world.lease('globex', { class: 'batch', acquireTimeoutMs: 200 })
    await expect(sweep).rejects.toMatchObject({ code: 'acquire_timeout' })
    expect(openTenants(world)).toEqual(['acme'])
    await touch(world, 'globex')
    expect(openTenants(world)).toEqual(['globex'])
  })
})
