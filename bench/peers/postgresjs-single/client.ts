import postgres from 'postgres'
import type { InProcessClient } from '../../in-process/client.ts'
import type { InProcessJob } from '../../in-process/job.ts'

/**
 * postgres.js alone, one connection for each tenant, opened at the first statement. Its defaults (prepared
 * statements, pipelining) but for the round trip at each connect that asks for array types.
 */
export async function postgresjsClient({ tenants }: InProcessJob): Promise<InProcessClient> {
  const open = (dsn: string) => postgres(dsn, { max: 1, fetch_types: false, onnotice: () => undefined })
  const clients = new Map<number, postgres.Sql>()
  const clientOf = (tenant: number): postgres.Sql => {
    const held = clients.get(tenant)
    if (held) return held
    const made = open(tenants[tenant]?.dsn ?? '')
    clients.set(tenant, made)
    return made
  }
  return {
    rows: (tenant, count) =>
      clientOf(
        tenant,
      )`select pg_catalog.current_database()::text as database, n, pg_catalog.md5(n::text) as payload from pg_catalog.generate_series(1, ${count}::int4) as n`,
    sleep: (tenant, seconds) => clientOf(tenant)`select pg_sleep(${seconds})`,
    cool: async (tenant) => {
      await clients.get(tenant)?.end()
      clients.delete(tenant)
    },
    connections: () => clients.size,
    end: async () => {
      await Promise.all([...clients.values()].map((client) => client.end({ timeout: 1 })))
    },
  }
}
