import { timingSafeEqual } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { z } from 'zod'

/**
 * What a team puts around its pools: Hono, and the one request that the load sends, under the same contract as
 * the service, so one client drives both.
 */
export interface PeerAnswer {
  readonly rows: readonly unknown[]
  readonly rowCount: number | null
  readonly command: string
}

export interface Peer {
  /** Undefined: no such tenant. */
  query(tenant: string, sql: string, params: unknown[]): Promise<PeerAnswer> | undefined
  close(): Promise<unknown>
}

export const PeerConfig = z.object({
  port: z.int(),
  /** Without it nobody is asked who he is. */
  key: z.string().optional(),
  /** Tenant → DSN. */
  tenants: z.record(z.string(), z.string()),
})

const Body = z.strictObject({ sql: z.string(), params: z.array(z.unknown()).default([]) })

/** From the file that PEER_CONFIG names. */
export function readPeerConfig<T>(schema: z.ZodType<T>): T {
  return schema.parse(JSON.parse(readFileSync(process.env['PEER_CONFIG'] ?? '', 'utf8')))
}

export function servePeer({ port, key }: z.output<typeof PeerConfig>, peer: Peer): void {
  const isAuthorized = key === undefined ? () => true : comparison(`Bearer ${key}`)
  const app = new Hono()
  app.post('/v1/query', async (c) => {
    if (!isAuthorized(c.req.header('authorization'))) return c.json({ code: 'unauthorized' }, 401)
    const { sql, params } = Body.parse(await c.req.json())
    const answer = peer.query(c.req.header('x-tenant-id') ?? '', sql, params)
    if (!answer) return c.json({ code: 'tenant_unknown' }, 404)
    const { rows, rowCount, command } = await answer
    return c.json({ rows, rowCount, command })
  })
  app.onError((error, c) => {
    const code: unknown = Reflect.get(error, 'code')
    return c.json({ code: typeof code === 'string' ? code : error.message }, 503)
  })
  const server = serve({ fetch: app.fetch, port, hostname: '127.0.0.1' })
  process.once('SIGTERM', () => {
    server.close()
    if ('closeAllConnections' in server) server.closeAllConnections()
    void peer.close()
  })
}

function comparison(expected: string): (given: string | undefined) => boolean {
  const wanted = Buffer.from(expected)
  return (text = '') => {
    const given = Buffer.from(text)
    return given.length === wanted.length && timingSafeEqual(given, wanted)
  }
}
