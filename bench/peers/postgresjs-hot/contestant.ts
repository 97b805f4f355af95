import { type BenchTenant, dsnOf } from '../../ground/tenants.ts'
import type { Contestant } from '../../load/contestant.ts'
import type { Stage } from '../../scenario.ts'
import { startPeer } from '../start-peer.ts'

const SERVER = new URL('./server.ts', import.meta.url)

/** A postgres.js client for each tenant, never closed: what is quickest where all tenants fit. */
export function postgresjsHot(
  { postgres, folder }: Stage,
  tenants: readonly BenchTenant[],
  maxPerTenant: number,
): Contestant {
  const dsns = Object.fromEntries(tenants.map((tenant) => [tenant.id, dsnOf(tenant, 'ordinary', postgres)]))
  return {
    name: 'postgresjs-hot',
    description: `Hono without authentication, postgres.js (max ${maxPerTenant}, pipelining, prepared) for each tenant`,
    keyOf: () => 'none',
    start: () => startPeer(SERVER, { maxPerTenant, tenants: dsns }, folder),
  }
}
