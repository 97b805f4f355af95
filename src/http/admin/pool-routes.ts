import type { Context } from 'hono'
import { UnauthorizedError } from '../../errors.ts'
import type { KeyVerifier } from '../../resolve/key-verifier.ts'
import type { TenantRouter } from '../../router/tenant-router.ts'
import type { PoolEventStreams } from './pool-event-streams.ts'

export const poolsSnapshot = (router: Pick<TenantRouter, 'stats'>) => (c: Context) => c.json(router.stats())

export const poolEvents = (streams: PoolEventStreams, keys: KeyVerifier) => (c: Context) => {
  c.header('content-type', 'text/event-stream')
  c.header('cache-control', 'no-store')
  // Answered as GET is, with the body dropped: a stream that nobody reads or cancels would keep its place for good.
  if (c.req.method === 'HEAD') return c.body(null)
  const authorization = c.req.header('authorization')
  return c.body(streams.open(() => isValid(keys, authorization)))
}

/** A registry that is away takes nobody's stream: it would take everybody's. */
function isValid(keys: KeyVerifier, authorization: string | undefined): Promise<boolean> {
  return keys.verify(authorization).then(
    () => true,
    (error: unknown) => !(error instanceof UnauthorizedError),
  )
}
