import type { Context } from 'hono'
import type { TenantRouter } from '../../router/tenant-router.ts'
import type { PoolEventStreams } from './pool-event-streams.ts'

export const poolsSnapshot = (router: Pick<TenantRouter, 'stats'>) => (c: Context) => c.json(router.stats())

export const poolEvents = (streams: PoolEventStreams) => (c: Context) => {
  c.header('content-type', 'text/event-stream')
  c.header('cache-control', 'no-store')
  // Answered as GET is, with the body dropped: a stream that nobody reads or cancels would keep its place for good.
  if (c.req.method === 'HEAD') return c.body(null)
  return c.body(streams.open())
}
