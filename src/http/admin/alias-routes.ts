import type { Context } from 'hono'
import { z } from 'zod'
import type { LifecycleParts } from '../../lifecycle/parts.ts'
import {
  AliasName,
  addAlias,
  ListAliases,
  listAliases,
  removeAlias,
} from '../../lifecycle/tenant/tenant-aliases.ts'
import { jsonBody, queryString } from '../json-body.ts'
import type { OperatorEnv } from '../request-context.ts'
import { textLimit } from './page-query.ts'

type OfAliases = Context<OperatorEnv, '/v1/tenants/:id/aliases'>

export const AliasesQuery = z.strictObject({ ...ListAliases.shape, limit: textLimit(100) })

export const aliasList = (parts: LifecycleParts) => async (c: OfAliases) =>
  c.json(await listAliases(parts.registry, c.req.param('id'), queryString(c.req, AliasesQuery)))

export const aliasAdd = (parts: LifecycleParts) => async (c: OfAliases) => {
  const name = await jsonBody(c.req, AliasName)
  const added = await addAlias(parts, c.req.param('id'), name, c.var.actor)
  return c.json(added, added.created ? 201 : 200)
}

/** Which one stands in the query: an external id may hold what a path cannot. */
export const aliasRemove = (parts: LifecycleParts) => async (c: OfAliases) => {
  const name = queryString(c.req, AliasName)
  return c.json(await removeAlias(parts, c.req.param('id'), name, c.var.actor))
}
