import { createMiddleware } from 'hono/factory'
import { InvalidRequestError, UnsupportedError } from '../../errors.ts'
import type { CallerResolver } from '../../resolve/caller-resolver.ts'
import { readConnectionString } from '../../resolve/connection-string.ts'
import { NeonHeader } from '../neon/sql-headers.ts'
import type { TenantEnv } from '../request-context.ts'
import { originOf } from '../request-origin.ts'
import { singleHeader } from '../single-header.ts'

/** As `resolvedCaller`, where a connection string says who asks and for which tenant; the host of the request must agree. */
export const connectionStringCaller = (callers: CallerResolver) =>
  createMiddleware<TenantEnv>(async (c, next) => {
    // Of two credentials one would go unlooked at.
    if (c.req.header('authorization') !== undefined)
      throw new UnsupportedError(
        'A token (the header Authorization) on /sql',
        'put the id and the secret of an API key into the connection string',
      )
    const text = singleHeader(c.req, NeonHeader.connectionString)
    if (text === undefined)
      throw new InvalidRequestError(`The header ${NeonHeader.connectionString} is missing.`)
    const { authorization, tenant } = readConnectionString(text)
    const tenantAlso = singleHeader(c.req, 'x-tenant-id')
    const origin = originOf(c, callers.proxies)
    c.set('client', origin.client)
    c.set('caller', await callers.resolve({ ...origin, authorization, tenant, tenantAlso }, c.get('signal')))
    await next()
  })
