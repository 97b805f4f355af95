import { createMiddleware } from 'hono/factory'
import type { CallerResolver } from '../../resolve/caller-resolver.ts'
import type { TenantEnv } from '../request-context.ts'
import { originOf } from '../request-origin.ts'
import { singleHeader } from '../single-header.ts'

/** Proves who asks and for which tenant, before anything else of the request is looked at. */
export const resolvedCaller = (callers: CallerResolver) =>
  createMiddleware<TenantEnv>(async (c, next) => {
    const origin = originOf(c, callers.proxies)
    c.set('client', origin.client)
    const claims = {
      ...origin,
      authorization: singleHeader(c.req, 'authorization'),
      tenant: singleHeader(c.req, 'x-tenant-id'),
    }
    c.set('caller', await callers.resolve(claims, c.get('signal')))
    await next()
  })
