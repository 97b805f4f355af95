import { describe, expect, it, vi } from 'vitest'
import { type FaultMode, startFaultProxy } from '../support/fault-proxy.ts'
import { sharedPostgres, startPostgres } from '../support/postgres.ts'
import { startWorld } from '../support/world.ts'
import { outcome, ownRows } from './fault-ground.ts'
import { permitsOut } from './settle.ts'

const TENANTS = ['acme', 'globex', 'initech']
const QUICK = { connectTimeoutMs: 300, acquireTimeoutMs: 1_000 }

describe('a network that fails', () => {
  it.each<FaultMode>(['refuse', 'accept-close', 'reset', 'black-hole', 'half-open'])(
    'by %s makes new connections fail in bounded time, and is served again when it is whole',
    async (mode) => {
      await using proxy = await startFaultProxy(sharedPostgres())
      await using world = await startWorld(['acme'], { address: proxy, ...QUICK })
      await proxy.setMode(mode)
      const { code, tookMs } = await outcome(world.lease('acme'))
      expect(code).toMatch(/^(server_unavailable|acquire_timeout)$/)
      expect(tookMs).toBeLessThan(2_000)
      await proxy.setMode('pass')
      await vi.waitFor(() => ownRows(world, 'acme'), { timeout: 5_000 })
      expect(world.router.stats().connections).toMatchObject({ out: 1, idle: 1 })
    },
  )

  it.each<FaultMode>(['black-hole', 'half-open'])(
    'by %s under a statement frees its caller within a second of the lease deadline, and its permit when it can know',
    async (mode) => {
      await using proxy = await startFaultProxy(sharedPostgres())
      await using world = await startWorld(['acme'], { address: proxy, maxConnections: 1, ...QUICK })
      using lease = await world.lease('acme', { leaseTimeoutMs: 200 })
      const asleep = outcome(lease.run({ text: 'select pg_sleep(20)' }))
      await vi.waitFor(() => expect(lease.connection.isBusy).toBe(true))
      await proxy.setMode(mode)
      const { code, tookMs } = await asleep
      // The server said nothing of the statement's end.
      expect(code).toBe('outcome_unknown')
      expect(tookMs).toBeLessThan(1_200)
      // The backend may be at work still: its place is not given to another meanwhile.
      expect(permitsOut(world)).toBe(1)
      await proxy.setMode('pass')
      await vi.waitFor(() => ownRows(world, 'acme'), { timeout: 10_000 })
      expect(await world.sessions()).toBe(1)
    },
  )

  it('by reset under a statement says that its outcome is unknown, at once', async () => {
    await using proxy = await startFaultProxy(sharedPostgres())
    await using world = await startWorld(['acme'], { address: proxy })
    using lease = await world.lease('acme')
    const asleep = outcome(lease.run({ text: 'select pg_sleep(2)' }))
    await vi.waitFor(() => expect(lease.connection.isBusy).toBe(true))
    await proxy.setMode('reset')
    expect((await asleep).code).toBe('outcome_unknown')
    lease.release()
    await proxy.setMode('pass')
    await vi.waitFor(() => ownRows(world, 'acme'), { timeout: 10_000 })
  })
})

describe('a server that crashes', () => {
  it('fails what runs and what is asked for, and serves again after its restart', async () => {
    await using server = await startPostgres()
    await using world = await startWorld(TENANTS, { server, ...QUICK })
    for (const tenant of TENANTS) await ownRows(world, tenant)
    using lease = await world.lease('acme')
    const asleep = outcome(lease.run({ text: 'select pg_sleep(20)' }))
    await vi.waitFor(() => expect(lease.connection.isBusy).toBe(true))
    await server.kill9()
    expect((await asleep).code).toBe('outcome_unknown')
    lease.release()
    // The ends of its sockets say that its backends have gone: nobody looks for them.
    await vi.waitFor(() => expect(permitsOut(world)).toBe(0), { timeout: 5_000 })
    // A backend may answer once more before it sees that its postmaster has gone.
    await vi.waitFor(async () => {
      const { code } = await outcome(ownRows(world, 'globex'))
      expect(code).toMatch(/^(server_unavailable|circuit_open)$/)
    })
    await server.restart()
    for (const tenant of TENANTS) await vi.waitFor(() => ownRows(world, tenant), { timeout: 10_000 })
  })

  it('is given no more connections than it has places, also while its backends are killed at random', async () => {
    await using world = await startWorld(TENANTS, { maxConnections: 4 })
    const names = [...world.places.values()].map(({ database }) => database)
    const killer = await world.server.connect()
    const seen = { answers: 0, kills: 0, failures: [] as string[] }
    let isOver = false
    const working = Array.from({ length: 8 }, async (_, worker) => {
      while (!isOver) {
        const { code } = await outcome(ownRows(world, TENANTS[worker % TENANTS.length] ?? 'acme'))
        if (code === 'ok') seen.answers++
        else seen.failures.push(code)
      }
    })
    while (seen.kills < 60) {
      const { rows } = await killer.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
         where datname = any($1) order by random() limit 1`,
        [names],
      )
      seen.kills += rows.length
      const before = seen.answers
      await vi.waitFor(() => expect(seen.answers).toBeGreaterThan(before), { interval: 5 })
    }
    isOver = true
    await Promise.all(working)
    await killer.end()
    // In flight, before sending, and during the login; one killed while it opens fails all who wait for it.
    const words = new Set(['outcome_unknown', 'connection_lost', 'server_unavailable'])
    expect(seen.failures.filter((code) => !words.has(code))).toEqual([])
    expect(seen.failures.length).toBeLessThanOrEqual(2 * seen.kills)
    for (const tenant of TENANTS) await ownRows(world, tenant)
    expect(world.router.stats().connections.out).toBeLessThanOrEqual(4)
  })
})
