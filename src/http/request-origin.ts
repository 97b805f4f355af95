import type { Context } from 'hono'
import type { Origin, TrustedProxies } from '../resolve/trusted-proxies.ts'
import type { RequestEnv } from './request-context.ts'
import { singleHeader } from './single-header.ts'

/**
 * Where the request came from, and for which host.
 * @throws {InvalidRequestError} where a header that says it was sent twice.
 */
export function originOf(c: Context, proxies: TrustedProxies): Origin {
  const bindings = c.env as RequestEnv['Bindings'] | undefined // absent without a server, whatever Hono's type says
  return proxies.originOf({
    peer: bindings?.incoming?.socket.remoteAddress,
    host: singleHeader(c.req, 'host') ?? new URL(c.req.url).host,
    forwardedFor: c.req.header('x-forwarded-for'),
    forwardedHost: c.req.header('x-forwarded-host'),
  })
}
