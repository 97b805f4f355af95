import type { Context } from 'hono'
import { z } from 'zod'
import { auditEntry, type LifecycleParts } from '../../lifecycle/parts.ts'
import { findTenant } from '../../lifecycle/tenant/change-tenant.ts'
import type { TenantRouter } from '../../router/tenant-router.ts'
import { jsonBody } from '../json-body.ts'
import type { OperatorEnv } from '../request-context.ts'

const NoBody = z.strictObject({})

/** Opens the tenant's first connection in this process, under its budgets as for any request; one that is there stays. */
export const tenantWarm =
  (parts: LifecycleParts, router: Pick<TenantRouter, 'lease' | 'explain'>) =>
  async (c: Context<OperatorEnv, '/v1/tenants/:id/warm'>) => {
    await jsonBody(c.req, NoBody)
    const { record } = await findTenant(parts.registry, c.req.param('id'))
    await parts.registry.commit({ audit: auditEntry(c.var.actor, 'tenant.warm', record.id) }, [])
    const isWarm = router.explain(record.id).pools.some(({ idle, leased }) => idle + leased > 0)
    const startedAt = performance.now()
    const lease = await router.lease(record.id, { signal: c.var.signal })
    lease.release()
    return c.json({ tenant: record.id, opened: !isWarm, ms: performance.now() - startedAt })
  }
