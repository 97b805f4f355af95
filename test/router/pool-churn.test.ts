import { expect, it } from 'vitest'
import { startWorld, type World } from '../support/world.ts'

const TENANTS = 1_000
const POOLS = 10
const WORKERS = 24
const LEASES = 1_200

/** Not those that only wait for a connection, and those whose last one is on its way out. */
function openPools(world: World): number {
  const { pools } = world.router.stats()
  return pools.filter(({ opening, idle, leased, cleaning }) => opening + idle + leased + cleaning > 0).length
}

it('never closes a pool in use where a thousand tenants share ten', async () => {
  const lodgers = Array.from({ length: TENANTS }, (_, n) => `lodger-${n + 1}`)
  await using world = await startWorld(['house'], {
    lodgers,
    maxPools: POOLS,
    maxConnections: 2 * POOLS,
    acquireTimeoutMs: 30_000,
  })
  let evicted = 0
  world.router.on('evicted', () => evicted++)
  let leases = 0
  let most = 0
  const work = async () => {
    while (leases++ < LEASES) {
      const tenant = lodgers[Math.floor(Math.random() ** 3 * TENANTS)] ?? 'house'
      using lease = await world.lease(tenant)
      most = Math.max(most, openPools(world))
      const { pid } = lease.connection
      for (let i = 0; i < 2; i++) {
        // An eviction under the lease would show here, as an error.
        const { rows } = await lease.run({ text: 'select pg_backend_pid() as pid' })
        expect(rows).toEqual([{ pid }])
      }
    }
  }
  await Promise.all(Array.from({ length: WORKERS }, work))
  expect(evicted).toBeGreaterThan(300)
  expect(most).toBeLessThanOrEqual(POOLS)
}, 120_000)
