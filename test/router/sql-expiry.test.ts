import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { TenantRouter } from '../../src/router/tenant-router.ts'
import { startWorld, type World } from '../support/world.ts'

type Work = (router: TenantRouter, leaseTimeoutMs?: number) => PromiseLike<unknown>

const options = (leaseTimeoutMs?: number) => (leaseTimeoutMs === undefined ? {} : { leaseTimeoutMs })
const WORKS: readonly (readonly [string, Work])[] = [
  [
    'a statement of a lease’s handle',
    async (router, ms) => {
      using lease = await router.lease('acme', options(ms))
      return await lease.sql`select pg_sleep(30)`
    },
  ],
  ['a statement of a tenant’s handle', (router, ms) => router.sql('acme', options(ms))`select pg_sleep(30)`],
  [
    'a transaction whose statement runs',
    (router, ms) => router.transaction('acme', options(ms), (sql) => sql`select pg_sleep(30)`),
  ],
  [
    'a statement that waits behind another in its transaction',
    (router, ms) =>
      router.transaction('acme', options(ms), async (sql) => {
        const first = sql`select pg_sleep(30)`.execute()
        const second = sql`select 1`.execute()
        await first.catch(() => {})
        return await second
      }),
  ],
  [
    'a cursor’s batch',
    async (router, ms) => {
      const batches = router.sql('acme', options(ms))`select pg_sleep(30)`.cursor(1)
      for await (const _batch of batches);
    },
  ],
]

let world: World
beforeAll(async () => {
  world = await startWorld(['acme'], { drainTimeoutMs: 20 })
})
afterAll(async () => await world[Symbol.asyncDispose]())

describe('an sql handle whose connection is taken away', () => {
  it.each(WORKS)('says lease_expired of %s past its deadline', async (_name, work) => {
    await expect(work(world.router, 100)).rejects.toMatchObject({ code: 'lease_expired' })
  })

  it.each(WORKS)('says router_closed of %s when the router closes', async (_name, work) => {
    const router = world.newRouter()
    const closing = vi
      .waitFor(() => expect(router.stats().connections.leased).toBe(1))
      .then(() => router.close())
    await expect(work(router)).rejects.toMatchObject({ code: 'router_closed' })
    await closing
  })
})
