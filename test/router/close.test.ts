import { setTimeout as delay } from 'node:timers/promises'
import { expect, it, vi } from 'vitest'
import type { TenantRouter } from '../../src/router/tenant-router.ts'
import { resourcesOfAWorld, resourcesSettledTo } from '../support/resources.ts'
import { unhandledIn } from '../support/unhandled.ts'
import { startWorld } from '../support/world.ts'
import { codeOf } from './crossing/tally.ts'

const ROUNDS = 50
const WORKERS = 16
const DRAIN_MS = 60
const GRACE_MS = 1_000
const TENANTS = ['acme', 'globex', 'initech', 'umbrella', 'hooli', 'stark']

const EXPECTED: ReadonlySet<string> = new Set([
  'router_closed',
  'lease_released',
  'lease_expired',
  'outcome_unknown',
  'connection_lost',
  'cancelled',
])

type Work = (router: TenantRouter, tenant: string) => Promise<unknown>

const WORKS: readonly Work[] = [
  async (router, tenant) => {
    using lease = await router.lease(tenant)
    return await lease.sql`select * from notes`
  },
  async (router, tenant) => {
    using lease = await router.lease(tenant, { trust: 'foreign' })
    return await lease.run({ text: 'select 1 / 0' }).catch(() => {})
  },
  (router, tenant) => router.transaction(tenant, {}, async (sql) => await sql`select pg_sleep(0.02)`),
  async (router, tenant) => {
    using lease = await router.lease(tenant, { leaseTimeoutMs: 400 })
    return await lease.run({ text: 'select pg_sleep(30)' })
  },
  async (router, tenant) => {
    for await (const rows of router.sql(tenant)`select n from generate_series(1, 5000) n`.cursor(100)) {
      if (rows[0]?.['n'] > 2_000) break
    }
  },
  (router, tenant) => router.withTenant(tenant, async () => await router.sql()`select 1`),
  // A lease that nobody gives back.
  (router, tenant) => router.lease(tenant, { leaseTimeoutMs: 40 }),
  async (router, tenant) => router.evict(tenant),
]

/** Works until the router refuses; counts the codes of what failed. */
async function workUntilClosed(router: TenantRouter, codes: Map<string, number>): Promise<void> {
  for (let isClosed = false; !isClosed; ) {
    const work = WORKS[Math.floor(Math.random() * WORKS.length)]
    const tenant = TENANTS[Math.floor(Math.random() * TENANTS.length)] ?? 'acme'
    await work?.(router, tenant).catch((error: unknown) => {
      const code = codeOf(error)
      codes.set(code, (codes.get(code) ?? 0) + 1)
      isClosed = code === 'router_closed'
    })
    // What cannot fail waits for nothing, and would take the whole turn.
    await delay(1)
  }
}

it('close() ends everything in the middle of everything, fifty times', async () => {
  await using world = await startWorld(TENANTS, {
    maxConnections: 8,
    drainTimeoutMs: DRAIN_MS,
    acquireTimeoutMs: 3_000,
  })
  const before = await resourcesOfAWorld()
  const codes = new Map<string, number>()
  let slowestMs = 0
  const unhandled = await unhandledIn(async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const router = world.newRouter()
      const working = Promise.all(Array.from({ length: WORKERS }, () => workUntilClosed(router, codes)))
      await delay(Math.random() * 120)
      const began = performance.now()
      await Promise.all([router.close(), router.close()])
      await working
      // Of the close and of everybody whom it was to end.
      slowestMs = Math.max(slowestMs, performance.now() - began)
      const { connections, waiters, pools } = router.stats()
      expect({ out: connections.out, waiters, pools }).toEqual({ out: 0, waiters: 0, pools: [] })
      await vi.waitFor(async () => expect(await world.sessions()).toBe(0), { timeout: 10_000, interval: 20 })
    }
  })
  expect(unhandled).toEqual([])
  expect([...codes.keys()].filter((code) => !EXPECTED.has(code))).toEqual([])
  // Each has worked until it was told so.
  expect(codes.get('router_closed')).toBe(ROUNDS * WORKERS)
  expect(await resourcesSettledTo(before)).toEqual(before)
  expect(slowestMs).toBeLessThan(DRAIN_MS + GRACE_MS)
}, 120_000)
