import { describe, expect, it, vi } from 'vitest'
import { startWorld } from '../support/world.ts'

describe('waiting for a connection', () => {
  it('ends at the acquire deadline, naming the budget that is full', async () => {
    await using world = await startWorld(['acme', 'globex'], { serverBudget: 1 })
    using _held = await world.lease('acme')
    const startedAt = performance.now()
    await expect(world.lease('globex', { acquireTimeoutMs: 200 })).rejects.toMatchObject({
      code: 'acquire_timeout',
      message: expect.stringContaining('server limit of 1'),
    })
    expect(performance.now() - startedAt).toBeLessThan(1_200)
    const own = world.lease('acme', { acquireTimeoutMs: 50 })
    await expect(own).rejects.toMatchObject({ message: expect.stringContaining('server limit') })
  })

  it('is first come, first served within a tenant', async () => {
    await using world = await startWorld(['acme'], { maxConnectionsPerTenant: 1 })
    const order: number[] = []
    const held = await world.lease('acme')
    const all = [1, 2, 3, 4].map(async (n) => {
      using lease = await world.lease('acme')
      order.push(n)
      await lease.run({ text: 'select 1' })
    })
    await vi.waitFor(() => expect(world.router.stats().waiters).toBe(4))
    held.release()
    await Promise.all(all)
    expect(order).toEqual([1, 2, 3, 4])
  })

  it('ends when the caller aborts, and takes no turn from others', async () => {
    await using world = await startWorld(['acme'], { maxConnectionsPerTenant: 1 })
    const held = await world.lease('acme')
    const aborter = new AbortController()
    const aborted = world.lease('acme', { signal: aborter.signal })
    const patient = world.lease('acme')
    await vi.waitFor(() => expect(world.router.stats().waiters).toBe(2))
    aborter.abort()
    await expect(aborted).rejects.toMatchObject({ code: 'cancelled' })
    held.release()
    ;(await patient).release()
    await expect(world.lease('acme', { signal: aborter.signal })).rejects.toMatchObject({ code: 'cancelled' })
  })

  it('is bounded: beyond maxWaiters callers are refused at once', async () => {
    await using world = await startWorld(['acme'], { maxConnectionsPerTenant: 1, maxWaiters: 2 })
    const held = await world.lease('acme')
    const waiting = [world.lease('acme'), world.lease('acme')]
    await vi.waitFor(() => expect(world.router.stats().waiters).toBe(2))
    await expect(world.lease('acme')).rejects.toMatchObject({ code: 'too_many_waiters' })
    held.release()
    for (const lease of waiting) (await lease).release()
  })

  it('leaves room in the line for tenants with fewer callers', async () => {
    await using world = await startWorld(['acme', 'globex'], { maxConnectionsPerTenant: 1, maxWaiters: 3 })
    const held = await world.lease('acme')
    const waiting = [world.lease('acme'), world.lease('acme'), world.lease('acme')]
    await vi.waitFor(() => expect(world.router.stats().waiters).toBe(3))
    const [, , last] = waiting
    const [other] = await Promise.all([
      world.lease('globex'),
      expect(last).rejects.toMatchObject({ code: 'too_many_waiters' }),
    ])
    other.release()
    held.release()
    for (const lease of waiting.slice(0, 2)) (await lease).release()
  })

  it('does not hammer a server that refuses a further connection', async () => {
    await using world = await startWorld(['acme'])
    using held = await world.lease('acme')
    await world.server.query(`alter role ${world.placeOf('acme').role} password 'another'`)
    let failed = 0
    world.router.on('openFailed', () => failed++)
    const waits = world.lease('acme', { acquireTimeoutMs: 1_000 })
    await expect(waits).rejects.toMatchObject({ code: 'acquire_timeout' })
    expect(failed).toBeGreaterThanOrEqual(1)
    expect(failed).toBeLessThanOrEqual(2)
    await held.run({ text: 'select 1' })
  })

  it('for a cold tenant opens one connection, however many ask', async () => {
    await using world = await startWorld(['acme'], { growAfterMs: 60_000 })
    let opened = 0
    world.router.on('opened', () => opened++)
    const leases = Array.from({ length: 50 }, async () => {
      using lease = await world.lease('acme')
      await lease.run({ text: 'select 1' })
    })
    await Promise.all(leases)
    expect(opened).toBe(1)
  })

  it('lets a tenant grow when its callers wait longer than its leases last', async () => {
    await using world = await startWorld(['acme'], { maxConnectionsPerTenant: 3 })
    const slow = Array.from({ length: 6 }, async () => {
      using lease = await world.lease('acme')
      await lease.run({ text: 'select pg_sleep(0.3)' })
    })
    await vi.waitFor(() => expect(world.router.stats().connections.leased).toBe(3), { timeout: 2_000 })
    await Promise.all(slow)
  })

  it('ends for a tenant over its share when another has waited longer', async () => {
    await using world = await startWorld(['busy', 'late'], { maxConnections: 1 })
    let stop = false
    const busy = Array.from({ length: 4 }, async () => {
      while (!stop) {
        using lease = await world.lease('busy')
        await lease.run({ text: 'select pg_sleep(0.005)' })
      }
    })
    await vi.waitFor(() => expect(world.router.stats().waiters).toBeGreaterThan(1))
    const late = await world.lease('late', { acquireTimeoutMs: 2_000 })
    stop = true
    late.release()
    await Promise.all(busy)
  })

  it('refuses a tenant that is not warm, where only a warm one will do', async () => {
    await using world = await startWorld(['acme'])
    await expect(world.lease('acme', { onlyIfWarm: true })).rejects.toMatchObject({ code: 'not_warm' })
    ;(await world.lease('acme')).release()
    ;(await world.lease('acme', { onlyIfWarm: true })).release()
  })
})

describe('close', () => {
  it('refuses who asks and who waits, lets leases end, and leaves no session', async () => {
    await using world = await startWorld(['acme', 'globex'], { maxConnectionsPerTenant: 1 })
    const held = await world.lease('acme')
    ;(await world.lease('globex')).release()
    const waiting = world.lease('acme')
    await vi.waitFor(() => expect(world.router.stats().waiters).toBe(1))
    const closed = world.router.close()
    expect(world.router.close()).toBe(closed)
    await expect(waiting).rejects.toMatchObject({ code: 'router_closed' })
    await expect(world.lease('acme')).rejects.toMatchObject({ code: 'router_closed' })
    expect((await held.run({ text: 'select 1 as one' })).rows).toEqual([{ one: 1 }])
    held.release()
    await closed
    expect(await world.sessions()).toBe(0)
    expect(world.router.stats().connections.out).toBe(0)
  })

  it('cuts what is still out at the drain deadline', async () => {
    await using world = await startWorld(['acme'], { drainTimeoutMs: 100 })
    const held = await world.lease('acme')
    const running = held.run({ text: 'select pg_sleep(30)' })
    await Promise.all([
      expect(running).rejects.toMatchObject({ code: 'router_closed' }),
      world.router.close(),
    ])
    await vi.waitFor(async () => expect(await world.sessions()).toBe(0))
  })
})
