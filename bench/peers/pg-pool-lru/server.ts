/**
 * What a careful team writes today: an LRU cache of `pg.Pool`s of one connection each, keyed by tenant. A pool
 * that falls out while it serves is ended when the last of its requests is done. Statements have names, so that
 * a warm connection parses each text once.
 */
import { createHash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import pg from 'pg'
import { z } from 'zod'
import { type PeerAnswer, PeerConfig, readPeerConfig, servePeer } from '../peer-app.ts'

const config = readPeerConfig(PeerConfig.extend({ maxPools: z.int() }))

/** A pool and the requests that use it now. */
interface TenantPool {
  readonly pool: pg.Pool
  uses: number
  evicted: boolean
}

const pools = new LRUCache<string, TenantPool>({
  max: config.maxPools,
  dispose: (entry) => {
    entry.evicted = true
    if (entry.uses === 0) void entry.pool.end()
  },
})

const names = new Map<string, string>()
function nameOf(sql: string): string {
  const known = names.get(sql)
  if (known !== undefined) return known
  const name = createHash('sha256').update(sql).digest('hex').slice(0, 32)
  if (names.size < 500) names.set(sql, name)
  return name
}

function poolOf(tenant: string, dsn: string): TenantPool {
  const held = pools.get(tenant)
  if (held) return held
  const pool = new pg.Pool({
    connectionString: dsn,
    max: 1,
    connectionTimeoutMillis: 5_000,
    idleTimeoutMillis: 300_000,
  })
  pool.on('error', () => undefined) // an idle connection that the server ended; the pool opens another
  const entry = { pool, uses: 0, evicted: false }
  pools.set(tenant, entry)
  return entry
}

async function run(tenant: string, dsn: string, sql: string, params: unknown[]): Promise<PeerAnswer> {
  const entry = poolOf(tenant, dsn)
  entry.uses++
  try {
    return await entry.pool.query({ name: nameOf(sql), text: sql, values: params })
  } finally {
    entry.uses--
    if (entry.evicted && entry.uses === 0) void entry.pool.end()
  }
}

servePeer(config, {
  query: (tenant, sql, params) => {
    const dsn = config.tenants[tenant]
    return dsn === undefined ? undefined : run(tenant, dsn, sql, params)
  },
  close: () => Promise.all([...pools.values()].map((entry) => entry.pool.end())),
})
