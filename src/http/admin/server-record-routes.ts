import type { Context } from 'hono'
import { z } from 'zod'
import type { LifecycleParts } from '../../lifecycle/parts.ts'
import { removeServer, showServer } from '../../lifecycle/server/remove-server.ts'
import { queryString } from '../json-body.ts'
import type { OperatorEnv } from '../request-context.ts'

type OfServer = Context<OperatorEnv, '/v1/servers/:id'>

export const serverShow = (parts: LifecycleParts) => async (c: OfServer) =>
  c.json({ server: await showServer(parts.registry, c.req.param('id')) })

export const RemoveQuery = z.strictObject({
  gone: z
    .stringbool({ truthy: ['true'], falsy: ['false'], case: 'sensitive', error: 'must be true or false' })
    .default(false),
})

export const serverRemove = (parts: LifecycleParts) => async (c: OfServer) => {
  const query = queryString(c.req, RemoveQuery)
  return c.json({ server: await removeServer(parts, c.req.param('id'), c.var.actor, query) })
}
