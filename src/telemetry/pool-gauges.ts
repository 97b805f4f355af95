import { Gauge, type Registry } from 'prom-client'
import type { PoolStats } from '../router/stats.ts'
import type { TenantRouter } from '../router/tenant-router.ts'

/** The label of all who have no series of their own. */
const OTHERS = 'other'
/** The gauge's values, by state. */
const BREAKER = { closed: 0, 'half-open': 1, open: 2 } as const
/** As the router counts them; together they are the permits out. */
const STATES = ['opening', 'idle', 'leased', 'cleaning', 'closing', 'quarantined'] as const

/**
 * Gauges of the moment. The returned function sets all of them from one snapshot, anew with each call: so
 * the series of a tenant or server end with its last connection.
 */
export function poolGauges(
  router: Pick<TenantRouter, 'stats'>,
  topTenants: number,
  registers: Registry[],
): () => void {
  const gauge = <L extends string>(name: string, help: string, ...labelNames: L[]) =>
    new Gauge({ name: `tenantry_${name}`, help, labelNames, registers })
  const connections = gauge(
    'pool_connections',
    'Connections by server and state: the permits out.',
    'server',
    'state',
  )
  const limit = gauge(
    'pool_connections_limit',
    'Connections that tenants of a server may have, for this process.',
    'server',
  )
  const breaker = gauge(
    'breaker_state',
    'Whether new connections to a server are opened: 0 closed (they are), 1 half open (a probe), 2 open.',
    'server',
  )
  const processLimit = gauge('connections_limit', 'Connections that this process may have, over all servers.')
  const pools = gauge('pools', 'Tenants with at least one connection open or opening.')
  const draining = gauge('pools_draining', 'Pools that end when their leases do.')
  const waiting = gauge('pool_waiting_requests', 'Requests that wait for a connection.')
  const ofTenant = gauge(
    'tenant_connections',
    'Connections of the tenants that have the most; of all others together under "other".',
    'tenant',
  )
  return () => {
    const stats = router.stats()
    for (const labelled of [connections, limit, breaker, ofTenant]) labelled.reset()
    processLimit.set(stats.connections.limit)
    pools.set(stats.pools.filter((pool) => openIn(pool) > 0).length)
    draining.set(stats.pools.filter((pool) => pool.isDraining).length)
    waiting.set(stats.waiters)
    for (const { server, ...counts } of stats.servers) {
      limit.set({ server }, counts.limit)
      breaker.set({ server }, BREAKER[counts.breaker])
      for (const state of STATES) connections.set({ server, state }, counts[state])
    }
    for (const [tenant, count] of topConnections(stats.pools, topTenants)) ofTenant.set({ tenant }, count)
  }
}

/**
 * Tenants come and go by the thousand; their labels must not. A tenant whose name is that of the rest is
 * always counted with it.
 */
function topConnections(pools: readonly PoolStats[], top: number): Map<string, number> {
  const counts = new Map<string, number>()
  for (const pool of pools) {
    if (openIn(pool) > 0) counts.set(pool.tenant, (counts.get(pool.tenant) ?? 0) + openIn(pool))
  }
  const named = [...counts].filter(([tenant]) => tenant !== OTHERS).sort(([, a], [, b]) => b - a)
  const rest = named.slice(top).reduce((sum, [, count]) => sum + count, counts.get(OTHERS) ?? 0)
  return new Map(rest > 0 ? [...named.slice(0, top), [OTHERS, rest]] : named)
}

function openIn(pool: PoolStats): number {
  return pool.opening + pool.idle + pool.leased + pool.cleaning
}
