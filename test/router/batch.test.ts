import { describe, expect, it, vi } from 'vitest'
import { startWorld } from '../support/world.ts'

const whose = { text: 'select distinct tenant from notes' }

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
