import type { Context } from 'hono'
import { ForbiddenError } from '../../errors.ts'
import type { LifecycleParts } from '../../lifecycle/parts.ts'
import { SetTenant, setTenant } from '../../lifecycle/tenant/set-tenant.ts'
import { jsonBody } from '../json-body.ts'
import type { OperatorEnv } from '../request-context.ts'
import { reaches } from './access.ts'

export const tenantSet = (parts: LifecycleParts) => async (c: Context<OperatorEnv, '/v1/tenants/:id'>) => {
  const body = await jsonBody(c.req, SetTenant)
  // By its labels a tenant comes within the reach of service keys, as by its aliases.
  if (Object.keys(body.labels).length > 0 && !reaches(c.var.role, 'admin'))
    throw new ForbiddenError(`${c.var.actor} is ${c.var.role}, labels need admin`)
  return c.json(await setTenant(parts, c.req.param('id'), body, c.var.actor))
}
