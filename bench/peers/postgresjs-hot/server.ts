/** Without authentication and without limits: a postgres.js client for each tenant, made at the first request. */
import postgres from 'postgres'
import { z } from 'zod'
import { type PeerAnswer, PeerConfig, readPeerConfig, servePeer } from '../peer-app.ts'

const config = readPeerConfig(PeerConfig.extend({ maxPerTenant: z.int() }))
const clients = new Map<string, postgres.Sql>()

function clientOf(tenant: string, dsn: string): postgres.Sql {
  const held = clients.get(tenant)
  if (held) return held
  const client = postgres(dsn, { max: config.maxPerTenant, fetch_types: false, onnotice: () => undefined })
  clients.set(tenant, client)
  return client
}

async function run(tenant: string, dsn: string, sql: string, params: unknown[]): Promise<PeerAnswer> {
  // What came as JSON is what postgres.js takes.
  const rows = await clientOf(tenant, dsn).unsafe(sql, params as never[], { prepare: true })
  return { rows, rowCount: rows.count, command: rows.command }
}

servePeer(config, {
  query: (tenant, sql, params) => {
    const dsn = config.tenants[tenant]
    return dsn === undefined ? undefined : run(tenant, dsn, sql, params)
  },
  close: () => Promise.all([...clients.values()].map((client) => client.end({ timeout: 1 }))),
})
