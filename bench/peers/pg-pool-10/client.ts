import pg from 'pg'
import { PROBE_SQL } from '../../../src/load/probe-query.ts'
import type { InProcessClient } from '../../in-process/client.ts'
import type { InProcessJob } from '../../in-process/job.ts'

/** `pg.Pool` as most applications have it, for the first tenant alone. Statements have names: parsed once. */
export async function pgPoolClient({
  tenants,
  maxConnectionsPerTenant,
}: InProcessJob): Promise<InProcessClient> {
  const pool = new pg.Pool({ connectionString: tenants[0]?.dsn ?? '', max: maxConnectionsPerTenant })
  pool.on('error', () => undefined)
  return {
    rows: async (_tenant, count) =>
      (await pool.query<object>({ name: 'rows', text: PROBE_SQL, values: [count] })).rows,
    sleep: (_tenant, seconds) =>
      pool.query({ name: 'sleep', text: 'select pg_sleep($1)', values: [seconds] }),
    cool: () => Promise.reject(new Error('this peer is never cold')),
    connections: () => pool.totalCount,
    end: () => pool.end(),
  }
}
