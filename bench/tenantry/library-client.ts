import { setTimeout as delay } from 'node:timers/promises'
import { createRouter, type Sql } from 'tenantry'
import { PROBE_SQL } from '../../src/load/probe-query.ts'
import type { InProcessClient } from '../in-process/client.ts'
import type { InProcessJob } from '../in-process/job.ts'

/** Our router as an application uses it: one handle for each tenant, or a lease for each statement. */
export async function libraryClient(job: InProcessJob): Promise<InProcessClient> {
  const { registry, maxConnections, maxConnectionsPerTenant, maxOpeningPerServer, client } = job
  if (!registry) throw new Error('the router needs a registry')
  const { url, masterKey } = registry
  const router = await createRouter({
    registry: url,
    masterKey,
    maxConnections,
    maxConnectionsPerTenant,
    // In all at least as many: the row is about one server.
    ...(maxOpeningPerServer !== undefined && { maxOpeningPerServer, maxOpening: 2 * maxOpeningPerServer }),
  })
  const ids = job.tenants.map(({ id }) => id)
  const handles = ids.map((id) => router.sql(id))
  const sqlOf = (tenant: number): Sql => handles[tenant] ?? router.sql(ids[tenant])
  const leased = async (tenant: number, text: string, params: unknown[]) => {
    const lease = await router.lease(ids[tenant] ?? '')
    try {
      return (await lease.run({ text, params })).rows
    } finally {
      lease.release()
    }
  }
  const common = {
    connections: () => router.stats().connections.out,
    cool: async (tenant: number) => {
      router.evict(ids[tenant] ?? '')
      while (router.stats().connections.out > 0) await delay(1)
    },
    end: () => router.close(),
  }
  if (client === 'tenantry-lease')
    return {
      ...common,
      rows: (tenant, count) => leased(tenant, PROBE_SQL, [count]),
      sleep: (tenant, seconds) => leased(tenant, 'select pg_sleep($1)', [seconds]),
    }
  return {
    ...common,
    rows: (tenant, count) =>
      sqlOf(
        tenant,
      )`select pg_catalog.current_database()::text as database, n, pg_catalog.md5(n::text) as payload from pg_catalog.generate_series(1, ${count}::int4) as n`,
    sleep: (tenant, seconds) => sqlOf(tenant)`select pg_sleep(${seconds})`,
  }
}
