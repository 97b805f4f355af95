import type { Context } from 'hono'
import type { LifecycleParts } from '../../lifecycle/parts.ts'
import { SetTenant, setTenant } from '../../lifecycle/tenant/set-tenant.ts'
import { jsonBody } from '../json-body.ts'
import type { OperatorEnv } from '../request-context.ts'

export const tenantSet = (parts: LifecycleParts) => async (c: Context<OperatorEnv, '/v1/tenants/:id'>) => {
  const body = await jsonBody(c.req, SetTenant)
  return c.json(await setTenant(parts, c.req.param('id'), body, c.var.actor))
}
