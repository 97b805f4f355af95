import { randomBytes } from 'node:crypto'
import { type BenchTenant, dsnOf } from '../../ground/tenants.ts'
import type { Contestant } from '../../load/contestant.ts'
import type { Stage } from '../../scenario.ts'
import { startPeer } from '../start-peer.ts'

const SERVER = new URL('./server.ts', import.meta.url)

/** An LRU cache of as many `pg.Pool`s of one connection as the budget has connections. */
export function pgPoolLru(
  { postgres, folder }: Stage,
  tenants: readonly BenchTenant[],
  budget: number,
): Contestant {
  const key = `peer_${randomBytes(32).toString('base64url')}`
  const dsns = Object.fromEntries(tenants.map((tenant) => [tenant.id, dsnOf(tenant, 'ordinary', postgres)]))
  return {
    name: 'pg-pool-lru',
    description: `Hono, lru-cache of ${budget} × pg.Pool(max 1), named statements; a pool in use is ended after its use`,
    keyOf: () => key,
    start: () => startPeer(SERVER, { key, maxPools: budget, tenants: dsns }, folder),
  }
}
