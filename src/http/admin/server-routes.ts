import type { Context } from 'hono'
import type { LifecycleParts } from '../../lifecycle/parts.ts'
import { AcceptServer, acceptServer } from '../../lifecycle/server/accept-server.ts'
import { AddServer, addServer } from '../../lifecycle/server/add-server.ts'
import { listServers } from '../../lifecycle/server/server-view.ts'
import { jsonBody } from '../json-body.ts'
import type { OperatorEnv } from '../request-context.ts'

export const serverList = (parts: LifecycleParts) => async (c: Context<OperatorEnv>) =>
  c.json({ servers: await listServers(parts.registry) })

export const serverAdd = (parts: LifecycleParts) => async (c: Context<OperatorEnv>) => {
  const added = await addServer(parts, await jsonBody(c.req, AddServer), c.var.actor)
  return c.json(added, added.created ? 201 : 200)
}

export const serverAccept =
  (parts: LifecycleParts) => async (c: Context<OperatorEnv, '/v1/servers/:id/accept'>) => {
    const body = await jsonBody(c.req, AcceptServer)
    return c.json(await acceptServer(parts, c.req.param('id'), body, c.var.actor))
  }
