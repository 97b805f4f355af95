import type { Context } from 'hono'
import { z } from 'zod'
import type { LifecycleParts } from '../../lifecycle/parts.ts'
import { type OwnMeans, unlessAway } from '../../lifecycle/postponed/own-means.ts'
import { KeepSpares, startSpares } from '../../lifecycle/provision/spare/make-spares.ts'
import { CreateTemplate, startTemplate } from '../../lifecycle/provision/template/create-template.ts'
import { DropTemplate, dropTemplate } from '../../lifecycle/provision/template/drop-template.ts'
import { listTemplates } from '../../lifecycle/provision/template/list-templates.ts'
import { drainServer } from '../../lifecycle/server/drain-server.ts'
import { checked, jsonBody, queryString } from '../json-body.ts'
import type { Mutations } from '../mutations.ts'
import type { OperatorEnv } from '../request-context.ts'
import { answerStarted } from './operation-answer.ts'

type OfServer = Context<OperatorEnv, '/v1/servers/:id'>

export const TemplatesQuery = z.strictObject({ server: z.string().optional() })
const NoBody = z.strictObject({})

/** 202 where the registry is away: then nothing is placed on any server, and it is done when the registry is back. */
export const serverDrain =
  ({ registry }: LifecycleParts, draining: boolean, { postponed }: OwnMeans) =>
  async (c: OfServer) => {
    await jsonBody(c.req, NoBody)
    const [id, { actor }] = [c.req.param('id'), c.var]
    const drain = () => drainServer(registry, id, draining, actor)
    const server = await unlessAway(drain, () => postponed.postpone(`drain ${id}`, drain))
    return server
      ? c.json({ server })
      : c.json({ postponed: true, until: 'Nothing is placed anywhere.' }, 202)
  }

export const serverSpares = (parts: LifecycleParts, mutations: Mutations) => async (c: OfServer) => {
  const body = await jsonBody(c.req, KeepSpares)
  const started = await startSpares(parts, c.req.param('id'), body, c.var.actor)
  return answerStarted(c, mutations, started, (kept) => c.json(kept))
}

export const templateList = (parts: LifecycleParts) => async (c: Context<OperatorEnv>) =>
  c.json({ templates: await listTemplates(parts.registry, queryString(c.req, TemplatesQuery).server) })

export const templateCreate =
  (parts: LifecycleParts, mutations: Mutations) => async (c: Context<OperatorEnv>) => {
    const started = await startTemplate(parts, await jsonBody(c.req, CreateTemplate), c.var.actor)
    return answerStarted(c, mutations, started, (made) => c.json(made, made.created ? 201 : 200))
  }

export const templateDrop =
  (parts: LifecycleParts) => async (c: Context<OperatorEnv, '/v1/templates/:name'>) => {
    const { server } = queryString(c.req, TemplatesQuery)
    const wanted = checked({ name: c.req.param('name'), server }, DropTemplate)
    return c.json(await dropTemplate(parts, wanted, c.var.actor))
  }
