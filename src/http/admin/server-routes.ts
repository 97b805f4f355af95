import type { Context } from 'hono'
import type { LifecycleParts } from '../../lifecycle/parts.ts'
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
