import { describe, expect, it, vi } from 'vitest'
import { asTenantryError, problemOf } from '../../src/http/problem.ts'
import { startPostgres } from '../support/postgres.ts'
import { startWorld } from '../support/world.ts'
import { codesOf, forMs, hammer, outcome, ownRows } from './fault-ground.ts'

const TENANTS = ['acme', 'globex', 'initech']
/** What a caller may read while a server goes, is away and comes back. */
const WORDS = ['circuit_open', 'connection_lost', 'ok', 'outcome_unknown', 'server_unavailable']

describe('a server that is restarted', () => {
  it('at once fails callers in bounded time, and serves every tenant within two seconds of its return', async () => {
    await using server = await startPostgres()
    await using world = await startWorld(TENANTS, { server })
    for (const tenant of TENANTS) await ownRows(world, tenant)
    let backAt = Number.POSITIVE_INFINITY
    const restarting = server.restart().then(() => {
      backAt = performance.now()
    })
    const firstServed = new Map<string, number>()
    const outcomes = await hammer(
      6,
      async (n) => {
        const tenant = TENANTS[n % 3] ?? 'acme'
        await ownRows(world, tenant)
        const now = performance.now()
        if (now > backAt && !firstServed.has(tenant)) firstServed.set(tenant, now - backAt)
      },
      () => firstServed.size === 3 || performance.now() > backAt + 5_000,
    )
    await restarting
    expect([...firstServed.values()].filter((ms) => ms > 2_000)).toEqual([])
    expect(firstServed.size).toBe(3)
    expect(codesOf(outcomes).filter((code) => !WORDS.includes(code))).toEqual([])
    expect(Math.max(...outcomes.map(({ tookMs }) => tookMs))).toBeLessThan(6_000)
  })

  it('smartly lets transactions under way finish, and answers all others 503 without opening its breaker', async () => {
    await using server = await startPostgres()
    await using world = await startWorld(TENANTS, { server })
    const opened: string[] = []
    world.router.on('breakerOpened', (event) => opened.push(event.server))
    using lease = await world.lease('acme')
    await lease.run({ text: 'begin' })
    await lease.run({ text: "insert into notes values (21, 'acme', 'under way')" })
    process.kill(server.pid, 'SIGTERM')
    const refused = await vi.waitFor(async () => {
      const { code, error } = await outcome(world.lease('globex'))
      expect(code).toBe('server_unavailable')
      return asTenantryError(error)
    })
    expect(refused).toMatchObject({ sqlstate: '57P03' })
    expect(problemOf(refused, 'r1')).toMatchObject({ status: 503, retryAfterSeconds: 2 })
    let attempts = 0
    world.router.on('openFailed', () => attempts++)
    const outcomes = await hammer(6, (n) => world.lease(n % 2 ? 'globex' : 'initech'), forMs(1_000))
    expect(codesOf(outcomes)).toEqual(['server_unavailable'])
    expect(attempts).toBeLessThanOrEqual(3)
    expect(opened).toEqual([])
    await lease.run({ text: 'commit' })
    lease.release()
    await server.restart()
    await vi.waitFor(() => ownRows(world, 'globex'), { timeout: 5_000, interval: 20 })
    expect(
      await server.query('select id from notes where id = 21', [], world.placeOf('acme').database),
    ).toEqual([{ id: 21 }])
  })
})

describe('a backend that is killed -9, which takes all others with it', () => {
  it('loses no write that was acknowledged, and calls each in flight unknown', async () => {
    await using server = await startPostgres()
    await using world = await startWorld(TENANTS, { server })
    const acknowledged = new Map<string, number[]>(TENANTS.map((tenant) => [tenant, []]))
    let next = 100
    let isOver = false
    const write = async (n: number) => {
      const tenant = TENANTS[n % 3] ?? 'acme'
      const id = next++
      using lease = await world.lease(tenant)
      await lease.run({ text: `insert into notes values (${id}, '${tenant}', 'w')` })
      acknowledged.get(tenant)?.push(id)
    }
    const writing = hammer(6, write, () => isOver)
    const written = () => [...acknowledged.values()].flat().length
    await vi.waitFor(() => expect(written()).toBeGreaterThan(30))
    const [victim] = await server.query<{ pid: number }>(
      'select pid from pg_stat_activity where usename = $1 limit 1',
      [world.placeOf('acme').role],
    )
    process.kill(victim?.pid ?? 0, 'SIGKILL')
    const before = written()
    await vi.waitFor(() => expect(written()).toBeGreaterThan(before + 30), { timeout: 8_000, interval: 20 })
    isOver = true
    const outcomes = await writing
    expect(codesOf(outcomes).filter((code) => !WORDS.includes(code))).toEqual([])
    for (const [tenant, ids] of acknowledged) {
      const rows = await server.query<{ id: number }>(
        'select id from notes where id >= 100',
        [],
        world.placeOf(tenant).database,
      )
      const held = new Set(rows.map(({ id }) => id))
      expect(ids.filter((id) => !held.has(id))).toEqual([])
    }
  })
})
