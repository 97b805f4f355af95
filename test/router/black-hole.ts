import { expect, it, vi } from 'vitest'
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts'
import { sharedPostgres } from '../support/postgres.ts'
import { resourcesOfAWorld, resourcesSettledTo } from '../support/resources.ts'
import { startWorld, type World } from '../support/world.ts'
import { codesOf, type Outcome, outcome } from './fault-ground.ts'

const LEASE_MS = 1_000
/** Every wait ends by its deadline and a second. */
const ENDS_MS = LEASE_MS + 1_000
/** From the end of the fault until the last tenant is served. */
const SERVED_AGAIN_MS = 5_000

export interface BlackHoleNumbers {
  /** Leases in all, each with a statement under which the network falls silent. */
  readonly leases: number
  /** Leases at a time, each of a tenant of its own: the whole budget. */
  readonly batch: number
}

async function serve(world: World, tenant: string): Promise<void> {
  using lease = await world.lease(tenant)
  await lease.run({ text: 'select 1' })
}

/** Every tenant is served, and then has an idle connection: together, the whole budget. */
async function warm(world: World, tenants: readonly string[]): Promise<void> {
  const again = { timeout: SERVED_AGAIN_MS, interval: 20 }
  await Promise.all(tenants.map((tenant) => vi.waitFor(() => serve(world, tenant), again)))
  await vi.waitFor(async () => {
    await Promise.all(tenants.map((tenant) => serve(world, tenant)))
    const { idle, out } = world.router.stats().connections
    expect({ idle, out }).toEqual({ idle: tenants.length, out: tenants.length })
  }, again)
}

async function allAsleep(world: World, count: number): Promise<void> {
  const text = "select count(*)::int as n from pg_stat_activity where datname = $1 and wait_event = 'PgSleep'"
  const { database } = world.placeOf('house')
  await vi.waitFor(async () => expect(await world.server.query(text, [database])).toEqual([{ n: count }]), {
    interval: 5,
  })
}

/** How the leases of all tenants ended, each from its beginning, when the network fell silent under their statements. */
async function loseAll(world: World, proxy: FaultProxy, tenants: readonly string[]): Promise<Outcome[]> {
  const leases = await Promise.all(tenants.map((tenant) => world.lease(tenant, { leaseTimeoutMs: LEASE_MS })))
  const running = leases.map((lease) => outcome(lease.run({ text: 'select pg_sleep(30)' })))
  await allAsleep(world, tenants.length)
  await proxy.setMode('black-hole')
  const outcomes = await Promise.all(running)
  for (const lease of leases) lease.release()
  return outcomes
}

export function describeBlackHole({ leases, batch }: BlackHoleNumbers): void {
  it(`frees ${leases} callers whose network falls silent, each by its deadline and a second, and keeps nothing`, async () => {
    const tenants = Array.from({ length: batch }, (_, i) => `lodger-${i + 1}`)
    await using proxy = await startFaultProxy(sharedPostgres())
    await using world = await startWorld(['house'], {
      lodgers: tenants,
      address: proxy,
      maxConnections: batch,
      connectTimeoutMs: 300,
    })
    const before = await resourcesOfAWorld()
    await warm(world, tenants)
    for (let done = 0; done < leases; done += batch) {
      const outcomes = await loseAll(world, proxy, tenants)
      expect(codesOf(outcomes)).toEqual(['outcome_unknown'])
      expect(Math.max(...outcomes.map(({ tookMs }) => tookMs))).toBeLessThan(ENDS_MS)
      // Nobody can know that their backends have gone.
      expect(world.router.stats().servers).toMatchObject([{ quarantined: batch, out: batch }])
      await proxy.setMode('pass')
      await warm(world, tenants)
      expect(await world.sessions()).toBe(batch)
    }
    await world.router.close()
    expect(world.router.stats()).toMatchObject({ connections: { out: 0 }, waiters: 0, pools: [] })
    await vi.waitFor(async () => expect(await world.sessions()).toBe(0), { timeout: 5_000 })
    // Its sockets are in this process, too.
    await proxy.close()
    expect(await resourcesSettledTo(before)).toEqual(before)
  })
}
