import { Hono } from 'hono'
import { TenantDeletedError } from '../../errors.ts'
import { limitsOf, type QueryLimits } from '../../query/query-limits.ts'
import type { TenantRouter } from '../../router/tenant-router.ts'
import type { TenantEnv } from '../request-context.ts'

/** A tenant may always know its own status, suspended or not; only one that is deleted has none left. */
export const tenantRoute = (router: Pick<TenantRouter, 'stats'>, limits: QueryLimits) =>
  new Hono<TenantEnv>().get('/v1/tenant', (c) => {
    const { tenant } = c.var.caller
    if (tenant.status === 'deleting' || tenant.status === 'deleted')
      throw new TenantDeletedError(`tenant ${tenant.id} is ${tenant.status}`)
    const pool = router.stats().pools.find((one) => one.tenant === tenant.id)
    return c.json({
      id: tenant.id,
      status: tenant.status,
      schemaVersion: tenant.schemaVersion,
      limits: { ...limitsOf(tenant, limits), maxConnections: tenant.limits.maxConnections ?? null },
      use: {
        connections: { idle: pool?.idle ?? 0, leased: pool?.leased ?? 0, opening: pool?.opening ?? 0 },
        waiting: pool?.waiting ?? 0,
      },
    })
  })
