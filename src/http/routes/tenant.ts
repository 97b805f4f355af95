import { Hono } from 'hono'
import { TenantDeletedError } from '../../errors.ts'
import type { Limiter } from '../../limits/limiter.ts'
import { limitsOf, type QueryLimits } from '../../query/query-limits.ts'
import type { TenantRouter } from '../../router/tenant-router.ts'
import type { TenantEnv } from '../request-context.ts'

/** A tenant may always know its own status, suspended or not; only one that is deleted has none left. */
export const tenantRoute = (
  router: Pick<TenantRouter, 'stats'>,
  limits: QueryLimits,
  limiter: Pick<Limiter, 'look'>,
) =>
  new Hono<TenantEnv>().get('/v1/tenant', async (c) => {
    const { tenant } = c.var.caller
    if (tenant.status === 'deleting' || tenant.status === 'deleted')
      throw new TenantDeletedError(`tenant ${tenant.id} is ${tenant.status}`)
    const pool = router.stats().pools.find((one) => one.tenant === tenant.id)
    const { allowance, remaining, resetMs, active } = await limiter.look(tenant)
    return c.json({
      id: tenant.id,
      status: tenant.status,
      schemaVersion: tenant.schemaVersion,
      limits: {
        ...limitsOf(tenant, limits),
        maxConnections: tenant.limits.maxConnections ?? null,
        requestsPerMinute: allowance.rate?.requestsPerMinute ?? null,
        concurrency: allowance.concurrency,
        overrideUntil: allowance.overrideUntil,
      },
      use: {
        connections: { idle: pool?.idle ?? 0, leased: pool?.leased ?? 0, opening: pool?.opening ?? 0 },
        waiting: pool?.waiting ?? 0,
        requests: { left: remaining, resetSeconds: Math.ceil(resetMs / 1_000), active },
      },
    })
  })
