import type { Context } from 'hono'
import type { LifecycleParts } from '../../lifecycle/parts.ts'
import { removeServer, showServer } from '../../lifecycle/server/remove-server.ts'
import type { OperatorEnv } from '../request-context.ts'

type OfServer = Context<OperatorEnv, '/v1/servers/:id'>

export const serverShow = (parts: LifecycleParts) => async (c: OfServer) =>
  c.json({ server: await showServer(parts.registry, c.req.param('id')) })

export const serverRemove = (parts: LifecycleParts) => async (c: OfServer) =>
  c.json({ server: await removeServer(parts, c.req.param('id'), c.var.actor) })
