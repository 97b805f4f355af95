/**
 * The peer: what a careful team writes today. Hono, and an LRU cache of `pg.Pool`s of one connection each,
 * keyed by tenant. A pool that falls out while it serves is ended when the last of its requests is done.
 * Same HTTP contract as the service for the one request that the load sends, so one client drives both.
 *
 * Environment: PEER_CONFIG, the path of a JSON file { key, port, maxPools, tenants: { id: DSN } }.
 */
import { timingSafeEqual } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { LRUCache } from 'lru-cache'
import pg from 'pg'
import { z } from 'zod'

const Config = z.strictObject({
  key: z.string(),
  port: z.int(),
  maxPools: z.int(),
  tenants: z.record(z.string(), z.string()),
})
const config = Config.parse(JSON.parse(readFileSync(process.env['PEER_CONFIG'] ?? '', 'utf8')))
const Body = z.strictObject({ sql: z.string(), params: z.array(z.unknown()).optional() })

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

const expected = Buffer.from(`Bearer ${config.key}`)
function isAuthorized(header: string | undefined): boolean {
  const given = Buffer.from(header ?? '')
  return given.length === expected.length && timingSafeEqual(given, expected)
}

const app = new Hono()
app.post('/v1/query', async (c) => {
  if (!isAuthorized(c.req.header('authorization'))) return c.json({ code: 'unauthorized' }, 401)
  const tenant = c.req.header('x-tenant-id') ?? ''
  const dsn = config.tenants[tenant]
  if (dsn === undefined) return c.json({ code: 'tenant_unknown' }, 404)
  const { sql, params } = Body.parse(await c.req.json())
  const entry = poolOf(tenant, dsn)
  entry.uses++
  try {
    const { rows, rowCount, command } = await entry.pool.query(sql, params)
    return c.json({ rows, rowCount, command })
  } finally {
    entry.uses--
    if (entry.evicted && entry.uses === 0) void entry.pool.end()
  }
})
app.onError((error, c) => {
  const code: unknown = Reflect.get(error, 'code')
  return c.json({ code: typeof code === 'string' ? code : error.message }, 503)
})

const server = serve({ fetch: app.fetch, port: config.port, hostname: '127.0.0.1' }, () => {
  console.log(`listening on ${config.port}`)
})

process.once('SIGTERM', () => {
  server.close()
  if ('closeAllConnections' in server) server.closeAllConnections()
  void Promise.all([...pools.values()].map((entry) => entry.pool.end()))
})
