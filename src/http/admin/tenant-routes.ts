import type { Context } from 'hono'
import { z } from 'zod'
import { auditEntry, type LifecycleParts } from '../../lifecycle/parts.ts'
import { CreateTenant } from '../../lifecycle/provision/create-tenant.ts'
import { provisionTenant } from '../../lifecycle/provision/provision-tenant.ts'
import { findTenant } from '../../lifecycle/tenant/change-tenant.ts'
import { checkTenant } from '../../lifecycle/tenant/check-tenant.ts'
import { RegisterTenant, registerTenant } from '../../lifecycle/tenant/register-tenant.ts'
import { resumeTenant } from '../../lifecycle/tenant/resume-tenant.ts'
import { SuspendTenant, suspendTenant } from '../../lifecycle/tenant/suspend-tenant.ts'
import { ListTenants, listTenants, showTenant } from '../../lifecycle/tenant/tenant-view.ts'
import type { TenantRouter } from '../../router/tenant-router.ts'
import { checked, jsonBody, queryString } from '../json-body.ts'
import type { OperatorEnv } from '../request-context.ts'
import { textLimit } from './page-query.ts'

type OfTenant = Context<OperatorEnv, '/v1/tenants/:id'>

const TenantsQuery = z.strictObject({
  cursor: ListTenants.shape.cursor,
  status: ListTenants.shape.status,
  limit: textLimit(100),
  label: z
    .string()
    .regex(/^[a-z][a-z0-9_.-]{0,62}=.{0,128}$/, 'must be name=value')
    .optional(),
})
const EitherWay = z.looseObject({ route: z.unknown().optional() })
const NoBody = z.strictObject({})

export const tenantList = (parts: LifecycleParts) => async (c: Context<OperatorEnv>) => {
  const { label, ...query } = queryString(c.req, TenantsQuery)
  const [name = '', ...value] = label?.split('=') ?? []
  return c.json(
    await listTenants(parts.registry, label ? { ...query, labels: { [name]: value.join('=') } } : query),
  )
}

/** With a route the database is there and is registered; without one it is made. */
export const tenantAdd = (parts: LifecycleParts) => async (c: Context<OperatorEnv>) => {
  const body = await jsonBody(c.req, EitherWay)
  if (body.route === undefined) {
    const made = await provisionTenant(parts, checked(body, CreateTenant), c.var.actor)
    return c.json(made, made.created ? 201 : 200)
  }
  const registered = await registerTenant(parts, checked(body, RegisterTenant), c.var.actor)
  return c.json(registered, registered.tenant ? 201 : 200)
}

export const tenantShow = (parts: LifecycleParts) => async (c: OfTenant) =>
  c.json(await showTenant(parts.registry, c.req.param('id')))

export const tenantSuspend = (parts: LifecycleParts) => async (c: OfTenant) => {
  const body = await jsonBody(c.req, SuspendTenant)
  return c.json(await suspendTenant(parts, c.req.param('id'), body, c.var.actor))
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
export const tenantEvict =
  (parts: LifecycleParts, router: Pick<TenantRouter, 'evict'>) => async (c: OfTenant) => {
    await jsonBody(c.req, NoBody)
    const { record } = await findTenant(parts.registry, c.req.param('id'))
    await parts.registry.commit({ audit: auditEntry(c.var.actor, 'tenant.evict', record.id) }, [])
    return c.json({ tenant: record.id, connections: router.evict(record.id) })
  }
