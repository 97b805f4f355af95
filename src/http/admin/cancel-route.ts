import type { Context } from 'hono'
import { z } from 'zod'
import { auditEntry, type LifecycleParts } from '../../lifecycle/parts.ts'
import { findTenant } from '../../lifecycle/tenant/change-tenant.ts'
import type { TenantRouter } from '../../router/tenant-router.ts'
import { jsonBody } from '../json-body.ts'
import type { OperatorEnv } from '../request-context.ts'

export const CancelBody = z.strictObject({
  /** Milliseconds: statements that have been running for less go on. */
  longerThanMs: z.int().nonnegative().max(86_400_000).default(0),
})

/** Cancels what the tenant runs in this process; its leases and connections stay. */
export const tenantCancel =
  (parts: LifecycleParts, router: Pick<TenantRouter, 'cancel'>) =>
  async (c: Context<OperatorEnv, '/v1/tenants/:id/cancel'>) => {
    const { longerThanMs } = await jsonBody(c.req, CancelBody)
    const { record } = await findTenant(parts.registry, c.req.param('id'))
    await parts.registry.commit(
      { audit: auditEntry(c.var.actor, 'tenant.cancel', record.id, { longerThanMs }) },
      [],
    )
    return c.json({ tenant: record.id, ...(await router.cancel(record.id, longerThanMs)) })
  }
