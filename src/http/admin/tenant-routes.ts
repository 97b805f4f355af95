import type { Context } from 'hono'
import { z } from 'zod'
import { InvalidRequestError } from '../../errors.ts'
import type { LifecycleParts } from '../../lifecycle/parts.ts'
import { evictAnyhow } from '../../lifecycle/postponed/evict-anyhow.ts'
import { isPostponed, type OwnMeans } from '../../lifecycle/postponed/own-means.ts'
import { suspendAnyhow } from '../../lifecycle/postponed/suspend-anyhow.ts'
import { CreateTenant } from '../../lifecycle/provision/create-tenant.ts'
import { startProvisioning } from '../../lifecycle/provision/provision-tenant.ts'
import { checkTenant } from '../../lifecycle/tenant/check-tenant.ts'
import { RegisterTenant, registerTenant } from '../../lifecycle/tenant/register-tenant.ts'
import { resumeTenant } from '../../lifecycle/tenant/resume-tenant.ts'
import { SuspendTenant } from '../../lifecycle/tenant/suspend-tenant.ts'
import { ListTenants, listTenants, showTenant } from '../../lifecycle/tenant/tenant-view.ts'
import { checked, jsonBody, queryString } from '../json-body.ts'
import type { Mutations } from '../mutations.ts'
import type { OperatorEnv } from '../request-context.ts'
import { answerStarted } from './operation-answer.ts'
import { textLimit } from './page-query.ts'

type OfTenant = Context<OperatorEnv, '/v1/tenants/:id'>

export const TenantsQuery = z.strictObject({
  cursor: ListTenants.shape.cursor,
  status: ListTenants.shape.status,
  server: ListTenants.shape.server,
  database: ListTenants.shape.database,
  role: ListTenants.shape.role,
  prefix: ListTenants.shape.prefix,
  limit: textLimit(100),
  /** Given more than once: those with all of them. */
  label: z
    .array(z.string().regex(/^[a-z][a-z0-9_.-]{0,62}=.{0,128}$/, 'must be name=value'))
    .max(16)
    .optional(),
})
const EitherWay = z.looseObject({ route: z.unknown().optional() })
const NoBody = z.strictObject({})

export const tenantList = (parts: LifecycleParts) => async (c: Context<OperatorEnv>) => {
  const { label, ...query } = queryString(c.req, TenantsQuery, ['label'])
  return c.json(await listTenants(parts.registry, label ? { ...query, labels: labelsOf(label) } : query))
}

/** @throws {InvalidRequestError} where one label is asked for with two values: no tenant has both. */
function labelsOf(pairs: readonly string[]): Record<string, string> {
  const labels = new Map<string, string>()
  for (const pair of pairs) {
    const at = pair.indexOf('=')
    const [name, value] = [pair.slice(0, at), pair.slice(at + 1)]
    if (labels.has(name)) throw new InvalidRequestError(`The label ${name} is given twice.`)
    labels.set(name, value)
  }
  return Object.fromEntries(labels)
}

/** With a route the database is there and is registered; without one it is made. */
export const tenantAdd = (parts: LifecycleParts, mutations: Mutations) => async (c: Context<OperatorEnv>) => {
  const body = await jsonBody(c.req, EitherWay)
  if (body.route === undefined) {
    const started = await startProvisioning(parts, checked(body, CreateTenant), c.var.actor)
    return answerStarted(c, mutations, started, (made) => c.json(made, made.created ? 201 : 200))
  }
  const registered = await registerTenant(parts, checked(body, RegisterTenant), c.var.actor)
  return c.json(registered, registered.tenant ? 201 : 200)
}

export const tenantShow = (parts: LifecycleParts) => async (c: OfTenant) =>
  c.json(await showTenant(parts.registry, c.req.param('id')))

/** 202 where the registry is away: it holds here, and is done when the registry is back. */
export const tenantSuspend = (parts: LifecycleParts, means: OwnMeans) => async (c: OfTenant) => {
  const body = await jsonBody(c.req, SuspendTenant)
  const suspended = await suspendAnyhow(parts, means, c.req.param('id'), body, c.var.actor)
  return c.json(suspended, isPostponed(suspended) ? 202 : 200)
}

export const tenantResume = (parts: LifecycleParts) => async (c: OfTenant) => {
  await jsonBody(c.req, NoBody)
  return c.json({ tenant: await resumeTenant(parts, c.req.param('id'), c.var.actor) })
}

export const tenantCheck = (parts: LifecycleParts) => async (c: OfTenant) => {
  await jsonBody(c.req, NoBody)
  return c.json({ tenant: await checkTenant(parts, c.req.param('id'), c.var.actor) })
}

/** Ends the tenant's pool in this process; what is leased is finished first. */
export const tenantEvict = (parts: LifecycleParts, means: OwnMeans) => async (c: OfTenant) => {
  await jsonBody(c.req, NoBody)
  return c.json(await evictAnyhow(parts, means, c.req.param('id'), c.var.actor))
}
