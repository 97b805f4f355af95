import { createMiddleware } from 'hono/factory'
import type { CallerResolver } from '../../resolve/caller-resolver.ts'
import type { TenantEnv } from '../request-context.ts'
import { singleHeader } from '../single-header.ts'

/** Proves who asks and for which tenant, before anything else of the request is looked at. */
export const resolvedCaller = (callers: CallerResolver) =>
  createMiddleware<TenantEnv>(async (c, next) => {
    const claims = {
      authorization: singleHeader(c.req, 'authorization'),
      tenant: singleHeader(c.req, 'x-tenant-id'),
      host: singleHeader(c.req, 'host') ?? new URL(c.req.url).host,
    }
    c.set('caller', await callers.resolve(claims, c.get('signal')))
    await next()
  })
