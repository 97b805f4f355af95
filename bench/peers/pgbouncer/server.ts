/** The application beside PgBouncer: for each tenant some client connections that stay open. */
import pg from 'pg'
import { z } from 'zod'
import { PeerConfig, readPeerConfig, servePeer } from '../peer-app.ts'

const config = readPeerConfig(PeerConfig.extend({ clientsPerTenant: z.int() }))

// Opened at the first request for the tenant. PgBouncer before 1.21 keeps no named statements in transaction
// mode, so these have none; they are one round trip all the same.
const pools = new Map<string, pg.Pool>()
function poolOf(tenant: string, dsn: string): pg.Pool {
  const held = pools.get(tenant)
  if (held) return held
  const pool = new pg.Pool({ connectionString: dsn, max: config.clientsPerTenant, idleTimeoutMillis: 0 })
  pool.on('error', () => undefined)
  pools.set(tenant, pool)
  return pool
}

servePeer(config, {
  query: (tenant, sql, params) => {
    const dsn = config.tenants[tenant]
    return dsn === undefined ? undefined : poolOf(tenant, dsn).query(sql, params)
  },
  close: () => Promise.all([...pools.values()].map((pool) => pool.end())),
})
