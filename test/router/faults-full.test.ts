import { describe, expect, it, vi } from 'vitest'
import { startPostgres } from '../support/postgres.ts'
import { startWorld, type World } from '../support/world.ts'
import { SessionWatch } from './crossing/session-watch.ts'
import { codesOf, fill, forMs, hammer, outcome, ownRows } from './fault-ground.ts'

const soon = { timeout: 3_000, interval: 20 }
const MS = 1_200

/** Attempts to open that fail, from now on. */
function failures(world: World): { texts: string[] } {
  const seen: { texts: string[] } = { texts: [] }
  world.router.on('openFailed', ({ error }) => seen.texts.push(error.message))
  return seen
}

describe('a connection limit of the tenant that is lower than its record says', () => {
  it('makes its callers take turns on the connections it has, and holds up no other', async () => {
    await using world = await startWorld(['role', 'database', 'sound'], { growAfterMs: 1 })
    await world.server.query(`alter role ${world.placeOf('role').role} connection limit 1`)
    const { database } = world.placeOf('database')
    await world.server.query(`alter database ${database} connection limit 1`)
    const failed = failures(world)
    const work = async (tenant: string) => {
      using lease = await world.lease(tenant)
      await lease.run({ text: 'select pg_sleep(0.02)' })
    }
    const workers = ['role', 'role', 'role', 'role', 'database', 'database', 'database', 'database', 'sound']
    const served = new Map<string, number>()
    const watch = await SessionWatch.start(world)
    const call = async (tenant: string) => {
      await work(tenant)
      served.set(tenant, (served.get(tenant) ?? 0) + 1)
    }
    const outcomes = await hammer(workers.length, (n) => call(workers[n] ?? ''), forMs(MS))
    await watch.end()
    expect(codesOf(outcomes)).toEqual(['ok'])
    expect(watch.most).toBeLessThanOrEqual(3)
    for (const what of ['role', 'database']) {
      const texts = failed.texts.filter((text) => text.includes(`too many connections for ${what}`))
      expect(texts.length).toBeGreaterThan(0)
      // 50, 100, 200, 400, … ms
      expect(texts.length).toBeLessThanOrEqual(6)
      expect(await world.sessionsOf(what)).toBe(1)
      // One after the other on one connection: a good part of what its time allows.
      expect(served.get(what)).toBeGreaterThan(MS / 20 / 4)
    }
  })

  it('keeps a caller waiting for its turn, to its deadline; then it is served, when there is room', async () => {
    await using world = await startWorld(['acme'])
    const { role } = world.placeOf('acme')
    await world.server.query(`alter role ${role} connection limit 0`)
    const { code, tookMs } = await outcome(world.lease('acme', { acquireTimeoutMs: 300 }))
    expect(code).toBe('acquire_timeout')
    expect(tookMs).toBeLessThan(1_300)
    const waiting = ownRows(world, 'acme')
    await world.server.query(`alter role ${role} connection limit -1`)
    await waiting
  })
})

describe('a server whose places others have taken', () => {
  it('is asked ever more rarely; we give up idle connections, and what we have goes on serving', async () => {
    await using server = await startPostgres({
      settings: { max_connections: '12', superuser_reserved_connections: '3' },
    })
    const tenants = ['acme', 'globex', 'initech', 'umbrella']
    await using world = await startWorld(tenants, { server, acquireTimeoutMs: 2_000 })
    using held = await world.lease('acme')
    await ownRows(world, 'globex')
    await ownRows(world, 'initech')
    const watch = await SessionWatch.start(world)
    // The rest of the places that ordinary roles have.
    const { role, password } = world.placeOf('umbrella')
    const strangers = await fill(server.dsn('postgres', role, password))
    const failed = failures(world)
    // There is a place: one of ours that was idle.
    await vi.waitFor(() => ownRows(world, 'umbrella'), soon)
    const served: string[] = []
    const call = async (tenant: string) => {
      await ownRows(world, tenant)
      served.push(tenant)
    }
    const outcomes = await hammer(6, (n) => call(tenants[n % 4] ?? 'acme'), forMs(MS))
    expect(codesOf(outcomes).filter((code) => code !== 'ok' && code !== 'acquire_timeout')).toEqual([])
    // Those who wait for the tenant with a connection out are the only ones that need not be.
    expect(served.length).toBeGreaterThanOrEqual(12)
    expect([...new Set(served)].filter((tenant) => tenant !== 'acme').sort()).toEqual(tenants.slice(1).sort())
    await held.run({ text: 'select 1' })
    await watch.end()
    expect(watch.most).toBe(3)
    expect(failed.texts.length).toBeLessThanOrEqual(8)
    for (const message of failed.texts) expect(message).toContain('53300')
    await strangers.leave()
    // Seconds pass until the server is believed to have more room; a tenant with a connection out waits for that.
    const healed = { timeout: 5_000, interval: 20 }
    await Promise.all(tenants.map((tenant) => vi.waitFor(() => ownRows(world, tenant), healed)))
  })
})
