import { expect, it } from 'vitest'
import { MAX_PASSES } from '../../src/router/scheduling/turns.ts'
import { startPostgres } from '../support/postgres.ts'
import { startWorld, type World } from '../support/world.ts'
import { SessionWatch } from './crossing/session-watch.ts'

const SLOTS = 20
const WORKERS = 48
const SECONDS = 10
const TENANTS = Array.from({ length: 64 }, (_, i) => `tenant-${i + 1}`)

interface Grant {
  readonly tenant: string
  readonly askedAt: number
  readonly servedAt: number
}

interface Opening {
  readonly tenant: string
  readonly at: number
}

/** Asks for any tenant, one after the other, until the time is over. */
async function work(world: World, until: number, grants: Grant[]): Promise<void> {
  while (performance.now() < until) {
    const tenant = TENANTS[Math.floor(Math.random() * TENANTS.length)] ?? ''
    const askedAt = performance.now()
    using lease = await world.lease(tenant)
    grants.push({ tenant, askedAt, servedAt: performance.now() })
    await lease.run({ text: 'select 1' })
  }
}

/** Of those whom an opening served: how many came later than one of them and were served before it, at most. */
function mostPasses(firsts: readonly Grant[]): number {
  const passes = firsts.map(
    (one) => firsts.filter((other) => other.askedAt > one.askedAt && other.servedAt < one.servedAt).length,
  )
  return Math.max(0, ...passes)
}

/** The grants that came of an opening: the tenant's first after it. */
function servedBy(openings: readonly Opening[], grants: readonly Grant[]): Grant[] {
  return openings.flatMap(({ tenant, at }) => {
    const first = grants.find((grant) => grant.tenant === tenant && grant.servedAt >= at)
    return first ? [first] : []
  })
}

it('serves 48 callers of 64 tenants on a server with exactly 20 places, none over, none late, none left out', async () => {
  // Three places are kept for superusers; the watch takes one of the others.
  await using server = await startPostgres({
    settings: { max_connections: String(SLOTS + 4), superuser_reserved_connections: '3' },
  })
  const [first = '', ...lodgers] = TENANTS
  await using world = await startWorld([first], {
    server,
    lodgers,
    maxConnections: SLOTS,
    serverBudget: SLOTS,
    acquireTimeoutMs: 5_000,
  })
  const failures: string[] = []
  const openings: Opening[] = []
  world.router.on('opened', ({ tenant }) => openings.push({ tenant, at: performance.now() }))
  world.router.on('openFailed', ({ error }) => failures.push(error.message))
  const watch = await SessionWatch.start(world)
  const grants: Grant[] = []
  const until = performance.now() + SECONDS * 1_000

  await Promise.all(Array.from({ length: WORKERS }, () => work(world, until, grants)))
  await watch.end()

  expect(watch.samples).toBeGreaterThan(100)
  expect(watch.most).toBeLessThanOrEqual(SLOTS)
  expect(watch.most).toBeGreaterThan(SLOTS / 2)
  expect(failures).toEqual([])
  expect(new Set(grants.map(({ tenant }) => tenant)).size).toBe(TENANTS.length)
  const waits = grants.filter(({ askedAt, servedAt }) => servedAt - askedAt > 1)
  const waitedMs = waits.map(({ askedAt, servedAt }) => servedAt - askedAt).sort((a, b) => a - b)
  const quantile = (q: number) => waitedMs[Math.floor(waitedMs.length * q)] ?? 0
  expect(quantile(0.999)).toBeLessThan(10 * quantile(0.5))
  expect(waitedMs.at(-1)).toBeLessThan(2_000)
  expect(mostPasses(servedBy(openings, grants))).toBeLessThanOrEqual(MAX_PASSES)
}, 60_000)
