import type { Context } from 'hono'
import { AdoptTenant, startAdopting } from '../../lifecycle/adopt/adopt-tenant.ts'
import type { LifecycleParts } from '../../lifecycle/parts.ts'
import { jsonBody } from '../json-body.ts'
import type { Mutations } from '../mutations.ts'
import type { OperatorEnv } from '../request-context.ts'
import { answerStarted } from './operation-answer.ts'

/** With `dryRun` the plan; else what it says, or with `undo` and `confirm` what comes after that. */
export const tenantAdopt =
  (parts: LifecycleParts, mutations: Mutations) =>
  async (c: Context<OperatorEnv, '/v1/tenants/:id/adopt'>) => {
    const body = await jsonBody(c.req, AdoptTenant)
    const started = await startAdopting(parts, c.req.param('id'), body, c.var.actor)
    return answerStarted(c, mutations, started, (adopted) => c.json(adopted))
  }
