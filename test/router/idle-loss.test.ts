import { expect, it, vi } from 'vitest'
import { OutcomeUnknownError } from '../../src/errors.ts'
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts'
import { sharedPostgres } from '../support/postgres.ts'
import { type Resources, resourcesOfAWorld, resourcesSettledTo } from '../support/resources.ts'
import { startWorld, type World } from '../support/world.ts'
import { permitsOut } from './settle.ts'

/** The tenant is served again; then nothing is left of all that there was. */
async function servedAndGone(world: World, proxy: FaultProxy, before: Resources): Promise<void> {
  const next = await world.lease('acme')
  expect((await next.run({ text: 'select 1 as n' })).rows).toEqual([{ n: 1 }])
  next.release()
  world.router.evict('acme')
  await vi.waitFor(() => expect(permitsOut(world)).toBe(0), { timeout: 10_000 })
  expect(world.router.stats()).toMatchObject({ waiters: 0, pools: [] })
  // Its sockets are in this process, too.
  await proxy.close()
  expect(await resourcesSettledTo(before)).toEqual(before)
}

it('does not show when a connection is lost while idle: 20 kills, no error', async () => {
  await using world = await startWorld(['acme'])
  const pids = new Set<number>()
  for (let round = 0; round < 20; round++) {
    const pid = await world.router.withTenant('acme', async (sql) => {
      const [row] = await sql<{ pid: number }[]>`select pg_backend_pid() as pid`
      return row?.pid ?? 0
    })
    pids.add(pid)
    await world.server.query('select pg_terminate_backend($1, 5000)', [pid])
  }
  expect(pids.size).toBe(20)
  await vi.waitFor(() => expect(permitsOut(world)).toBe(0), { timeout: 10_000 })
})

it('says once that a connection was reset under an answer, has its permit back, and keeps nothing', async () => {
  const server = sharedPostgres()
  await using proxy = await startFaultProxy({ host: server.host, port: server.port })
  await using world = await startWorld(['acme'], { address: { host: '127.0.0.1', port: proxy.port } })
  const closed: string[] = []
  world.router.on('closed', ({ reason }) => closed.push(reason))
  const before = await resourcesOfAWorld()
  const text = 'select repeat(md5(g::text), 100), pg_sleep(0.01) from generate_series(1, 500) g'
  using lease = await world.lease('acme')
  const running = lease.run({ text }).catch((error: unknown) => error)
  await vi.waitFor(
    async () => {
      const [row] = await world.server.query<{ n: number }>(
        "select count(*)::int as n from pg_stat_activity where datname = $1 and wait_event = 'PgSleep'",
        [world.placeOf('acme').database],
      )
      expect(row?.n).toBe(1)
    },
    { timeout: 10_000 },
  )
  await proxy.setMode('reset')
  expect(await running).toBeInstanceOf(OutcomeUnknownError)
  lease.release()
  await proxy.setMode('pass')
  await vi.waitFor(() => expect(permitsOut(world)).toBe(0), { timeout: 10_000 })
  expect(closed).toEqual(['lost'])
  await servedAndGone(world, proxy, before)
})

it('frees the place of a half-open connection within a second of the deadline of its lease', async () => {
  const server = sharedPostgres()
  await using proxy = await startFaultProxy({ host: server.host, port: server.port })
  await using world = await startWorld(['acme'], { address: { host: '127.0.0.1', port: proxy.port } })
  const closed: string[] = []
  world.router.on('closed', ({ reason }) => closed.push(reason))
  const before = await resourcesOfAWorld()
  const start = performance.now()
  const lease = await world.lease('acme', { leaseTimeoutMs: 500 })
  await proxy.setMode('half-open')
  await expect(lease.run({ text: 'select 1' })).rejects.toBeInstanceOf(OutcomeUnknownError)
  expect(performance.now() - start).toBeLessThan(1_500)
  // The socket goes with the caller's wait for it: by the same deadline.
  await vi.waitFor(() => expect(closed).toHaveLength(1), { timeout: 1_500 - (performance.now() - start) })
  await proxy.setMode('pass')
  await vi.waitFor(() => expect(permitsOut(world)).toBe(0), { timeout: 10_000 })
  await servedAndGone(world, proxy, before)
})
