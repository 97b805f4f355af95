import { describe, expect, it, vi } from 'vitest'
import type { Lease } from '../../src/router/lease.ts'
import { startWorld } from '../support/world.ts'

const whose = { text: 'select distinct tenant from notes' }

describe('a lease', () => {
  it('reaches its own tenant’s rows', async () => {
    await using world = await startWorld(['acme', 'globex'])
    for (const tenant of ['acme', 'globex']) {
      using lease = await world.lease(tenant)
      expect((await lease.run(whose)).rows).toEqual([{ tenant }])
      expect(await lease.sql`select count(*)::int as n from notes`).toEqual([{ n: 20 }])
    }
  })

  it('is counted once, however often it is released', async () => {
    await using world = await startWorld(['acme'])
    const lease = await world.lease('acme')
    lease.release()
    lease.release()
    using first = await world.lease('acme')
    const second = world.lease('acme', { acquireTimeoutMs: 300 })
    await first.run({ text: 'select 1' })
    expect(world.router.stats().connections.leased + world.router.stats().connections.opening).toBeLessThan(3)
    ;(await second).release()
    expect(world.router.stats().connections.out).toBeLessThanOrEqual(2)
  })

  it('runs no statement after its release', async () => {
    await using world = await startWorld(['acme'])
    const lease = await world.lease('acme')
    const { sql } = lease
    lease.release()
    await expect(lease.run(whose)).rejects.toMatchObject({ code: 'lease_released' })
    await expect(sql`select 1`).rejects.toMatchObject({ code: 'lease_released' })
  })

  it('leaves nothing of its session to the next one', async () => {
    await using world = await startWorld(['acme'], { maxConnectionsPerTenant: 1 })
    const first = await world.lease('acme')
    const { pid } = first.connection
    await first.run({ text: 'begin' })
    await first.run({ text: "set application_name = 'mine'" })
    await first.run({ text: 'create temporary table scratch (a int)' })
    first.release()
    using second = await world.lease('acme')
    expect(second.connection.pid).toBe(pid)
    expect((await second.run({ text: 'show application_name' })).rows).toEqual([
      { application_name: 'tenantry' },
    ])
    await expect(second.run({ text: 'select * from scratch' })).rejects.toMatchObject({ sqlstate: '42P01' })
  })

  it('loses its connection at its deadline, and the statement that ran is gone from the server', async () => {
    await using world = await startWorld(['acme'])
    const lease = await world.lease('acme', { leaseTimeoutMs: 150 })
    const startedAt = performance.now()
    await expect(lease.run({ text: 'select pg_sleep(30)' })).rejects.toMatchObject({ code: 'lease_expired' })
    expect(performance.now() - startedAt).toBeLessThan(1_150)
    expect(lease.signal.aborted).toBe(true)
    await vi.waitFor(async () => {
      const active =
        "select 1 from pg_stat_activity where query like '%pg_sleep(30)%' and pid <> pg_backend_pid() and state = 'active'"
      expect(await world.server.query(active)).toEqual([])
    })
    using next = await world.lease('acme')
    expect((await next.run(whose)).rows).toEqual([{ tenant: 'acme' }])
  })

  it.each<[string, (lease: Lease) => Promise<unknown>]>([
    ['run', (lease) => lease.run({ text: 'select pg_sleep(30)' })],
    ['sql', async (lease) => await lease.sql`select pg_sleep(30)`],
    ['a cursor', async (lease) => await lease.sql`select pg_sleep(30)`.cursor(1, () => undefined)],
  ])(
    'released while a statement runs, cancels it before the connection goes on, and says so: %s',
    async (_, sleep) => {
      await using world = await startWorld(['acme'], { maxConnectionsPerTenant: 1 })
      const lease = await world.lease('acme')
      const running = sleep(lease)
      await vi.waitFor(() => expect(lease.connection.isBusy).toBe(true))
      lease.release()
      await expect(running).rejects.toMatchObject({ code: 'lease_released' })
      using next = await world.lease('acme', { acquireTimeoutMs: 2_000 })
      expect((await next.run(whose)).rows).toEqual([{ tenant: 'acme' }])
    },
  )

  it('does not send a statement any more that it was released before', async () => {
    await using world = await startWorld(['acme'])
    const lease = await world.lease('acme')
    const late = lease.run({ text: "insert into notes values (100, 'acme', 'late')" })
    lease.release()
    await expect(late).rejects.toMatchObject({ code: 'lease_released' })
    using next = await world.lease('acme')
    expect((await next.run({ text: 'select count(*)::int as n from notes' })).rows).toEqual([{ n: 20 }])
  })

  it('is told when its connection ends by itself', async () => {
    await using world = await startWorld(['acme'])
    using lease = await world.lease('acme')
    const { pid } = lease.connection
    await world.server.query('select pg_terminate_backend($1)', [pid])
    await vi.waitFor(() => expect(lease.signal.aborted).toBe(true))
    await expect(lease.run(whose)).rejects.toMatchObject({ code: 'connection_lost' })
  })

  it('refuses terms that it could not keep', async () => {
    await using world = await startWorld(['acme'])
    for (const terms of [
      { leaseTimeoutMs: 3_000_000_000 },
      { leaseTimeoutMs: world.router.options.leaseTimeoutMs + 1 },
      { acquireTimeoutMs: Number.NaN },
      { acquireTimeoutMs: 0 },
    ]) {
      await expect(world.lease('acme', terms)).rejects.toMatchObject({ code: 'invalid_request' })
    }
  })

  it('keeps foreign and application SQL on different connections', async () => {
    await using world = await startWorld(['acme'])
    const own = await world.lease('acme')
    const ownPid = own.connection.pid
    own.release()
    const foreign = await world.lease('acme', { trust: 'foreign' })
    expect(foreign.connection.pid).not.toBe(ownPid)
    await expect(foreign.run({ text: 'select 1; select 2' })).rejects.toMatchObject({ sqlstate: '42601' })
    await expect(foreign.sql.unsafe('select 1; select 2')).rejects.toMatchObject({ code: '42601' })
    foreign.release()
  })
})

describe('scoped use', () => {
  it('commits what resolves and rolls back what throws', async () => {
    await using world = await startWorld(['acme'])
    const count = () =>
      world.router.withTenant('acme', async (sql) => (await sql`select count(*)::int as n from notes`)[0]?.n)
    await world.router.transaction('acme', {}, (sql) => sql`insert into notes values (100, 'acme', 'x')`)
    expect(await count()).toBe(21)
    const fails = world.router.transaction('acme', {}, async (sql) => {
      await sql`insert into notes values (101, 'acme', 'x')`
      throw new Error('no')
    })
    await expect(fails).rejects.toThrow('no')
    expect(await count()).toBe(21)
    const writes = world.router.transaction('acme', { readOnly: true }, (sql) => sql`delete from notes`)
    await expect(writes).rejects.toMatchObject({ code: '25006' })
  })

  it('gives the ambient handle the tenant that is ambient, and refuses without one', async () => {
    await using world = await startWorld(['acme', 'globex'])
    const sql = world.router.sql()
    const ask = () => sql`select distinct tenant from notes`
    const [a, b] = await Promise.all([
      world.router.withTenant('acme', () => ask()),
      world.router.withTenant('globex', () => ask()),
    ])
    expect([a[0]?.tenant, b[0]?.tenant]).toEqual(['acme', 'globex'])
    await expect(ask()).rejects.toMatchObject({ code: 'no_tenant' })
    const acme = world.router.sql('acme')
    const mixed = world.router.withTenant('globex', () => acme`select 1`)
    await expect(mixed).rejects.toMatchObject({ code: 'tenant_mismatch' })
  })
})

describe('a lease within a lease', () => {
  it('gets a further connection ahead of those who hold none', async () => {
    await using world = await startWorld(['acme'], { maxConnectionsPerTenant: 2 })
    const order: string[] = []
    using blocker = await world.lease('acme')
    let goOn = () => {}
    const outsiderWaits = new Promise<void>((resolve) => {
      goOn = resolve
    })
    const nested = world.router.withTenant('acme', async () => {
      await outsiderWaits
      await world.router.withTenant('acme', async () => order.push('nested'))
    })
    await vi.waitFor(() => expect(world.router.stats().connections.leased).toBe(2))
    const ordinary = world.lease('acme').then((lease) => {
      order.push('ordinary')
      lease.release()
    })
    await vi.waitFor(() => expect(world.router.stats().waiters).toBe(1))
    goOn()
    await vi.waitFor(() => expect(world.router.stats().waiters).toBe(2))
    blocker.release()
    await Promise.all([nested, ordinary])
    expect(order).toEqual(['nested', 'ordinary'])
  })

  it('is seen in a transaction of a handle that is not scoped, too', async () => {
    await using world = await startWorld(['acme'], { maxConnectionsPerTenant: 1 })
    const sql = world.router.sql('acme')
    const wrong = sql.begin(async () => sql`select 1`)
    await expect(wrong).rejects.toMatchObject({ code: 'nested_lease' })
    expect(await sql`select 1 as one`).toEqual([{ one: 1 }])
  })

  it('waits for a tenant whose holder only waits for a login elsewhere', async () => {
    await using world = await startWorld(['acme', 'globex', 'initech'], { maxConnectionsPerTenant: 1 })
    const { router } = world
    ;(await world.lease('initech')).release()
    const acmeIsOut = new Promise<void>((resolve) => {
      router.on('leased', ({ tenant }) => tenant === 'acme' && resolve())
    })
    const first = router.withTenant('acme', () => router.withTenant('globex', async () => 'globex'))
    await acmeIsOut
    const second = router.withTenant('initech', () => router.withTenant('acme', async () => 'acme'))
    expect(await Promise.all([first, second])).toEqual(['globex', 'acme'])
  })

  it('fails at once where all who hold connections wait themselves', async () => {
    await using world = await startWorld(['acme'], { maxConnectionsPerTenant: 2 })
    let holding = 0
    const both = new Promise<void>((resolve) => {
      const use = () =>
        world.router.withTenant('acme', async () => {
          if (++holding === 2) resolve()
          await both
          return world.router.withTenant('acme', async () => 'inner')
        })
      void Promise.resolve().then(() => {
        results.push(use(), use())
      })
    })
    const results: Promise<string>[] = []
    await both
    const startedAt = performance.now()
    const settled = await Promise.allSettled(results)
    expect(performance.now() - startedAt).toBeLessThan(1_000)
    expect(settled.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    expect(settled.find((s) => s.status === 'rejected')).toMatchObject({ reason: { code: 'nested_lease' } })
  })
})
