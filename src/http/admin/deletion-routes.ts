import type { Context } from 'hono'
import { z } from 'zod'
import { DeleteTenant, startDeletion } from '../../lifecycle/delete/delete-tenant.ts'
import { PurgeExpired, startPurgeOfExpired } from '../../lifecycle/delete/purge-expired.ts'
import { PurgeTenant, startPurge } from '../../lifecycle/delete/purge-tenant.ts'
import { startUndeletion } from '../../lifecycle/delete/undelete-tenant.ts'
import type { LifecycleParts } from '../../lifecycle/parts.ts'
import { checked, jsonBody, queryString } from '../json-body.ts'
import type { Mutations } from '../mutations.ts'
import type { OperatorEnv } from '../request-context.ts'
import { answerStarted } from './operation-answer.ts'

type OfTenant = Context<OperatorEnv, '/v1/tenants/:id'>

const Anything = z.looseObject({})
const NoBody = z.strictObject({})
/** Some clients and proxies drop the body of a DELETE. */
export const DeleteQuery = z.strictObject({
  confirm: z.string().optional(),
  graceMs: z
    .string()
    .regex(/^\d{1,15}$/, 'must be a number')
    .transform(Number)
    .optional(),
  reason: z.string().optional(),
})

export const tenantDelete = (parts: LifecycleParts, mutations: Mutations) => async (c: OfTenant) => {
  const query = queryString(c.req, DeleteQuery)
  const input = checked({ ...query, ...(await jsonBody(c.req, Anything)) }, DeleteTenant)
  const started = await startDeletion(parts, c.req.param('id'), input, c.var.actor)
  return answerStarted(c, mutations, started, (deleted) => c.json(deleted))
}

export const tenantUndelete = (parts: LifecycleParts, mutations: Mutations) => async (c: OfTenant) => {
  await jsonBody(c.req, NoBody)
  const started = await startUndeletion(parts, c.req.param('id'), c.var.actor)
  return answerStarted(c, mutations, started, (tenant) => c.json({ tenant }))
}

export const tenantPurge = (parts: LifecycleParts, mutations: Mutations) => async (c: OfTenant) => {
  const input = await jsonBody(c.req, PurgeTenant)
  const started = await startPurge(parts, c.req.param('id'), input, c.var.actor)
  return answerStarted(c, mutations, started, (purged) => c.json(purged))
}

/** `expired` says which: there is no way to purge all. */
export const PurgeMany = PurgeExpired.extend({ expired: z.literal(true) })

export const tenantPurgeExpired =
  (parts: LifecycleParts, mutations: Mutations) => async (c: Context<OperatorEnv>) => {
    const { expired: _, ...input } = await jsonBody(c.req, PurgeMany)
    const started = await startPurgeOfExpired(parts, input, c.var.actor)
    return answerStarted(c, mutations, started, (purged) => c.json(purged))
  }
