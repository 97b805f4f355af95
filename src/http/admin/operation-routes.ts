import type { Context } from 'hono'
import { z } from 'zod'
import { ListOperations, listOperations, showOperation } from '../../lifecycle/operation/list-operations.ts'
import { resumeOperation } from '../../lifecycle/operation/resume-operation.ts'
import type { LifecycleParts } from '../../lifecycle/parts.ts'
import { jsonBody, queryString } from '../json-body.ts'
import type { Mutations } from '../mutations.ts'
import type { OperatorEnv } from '../request-context.ts'
import { answerStarted } from './operation-answer.ts'
import type { OperationStreams } from './operation-streams.ts'
import { textLimit } from './page-query.ts'

type OfOperation = Context<OperatorEnv, '/v1/operations/:id'>

export const OperationsQuery = z.strictObject({ ...ListOperations.shape, limit: textLimit(100) })
const NoBody = z.strictObject({})

export const operationList = (parts: LifecycleParts) => async (c: Context<OperatorEnv>) =>
  c.json(await listOperations(parts.registry, queryString(c.req, OperationsQuery)))

export const operationShow = (parts: LifecycleParts) => async (c: OfOperation) =>
  c.json({ operation: await showOperation(parts.registry, c.req.param('id')) })

/** Server-sent events: the operation as it is, and at every change until it is over. */
export const operationEvents =
  (parts: LifecycleParts, streams: OperationStreams) => async (c: OfOperation) => {
    const first = await showOperation(parts.registry, c.req.param('id'))
    c.header('content-type', 'text/event-stream')
    c.header('cache-control', 'no-store')
    return c.req.method === 'HEAD' ? c.body(null) : c.body(streams.open(first))
  }

export const operationResume = (parts: LifecycleParts, mutations: Mutations) => async (c: OfOperation) => {
  await jsonBody(c.req, NoBody)
  const id = c.req.param('id')
  const started = await resumeOperation(parts, id, c.var.actor)
  const { result } = started
  const shown = { ...started, result: result.then(() => showOperation(parts.registry, id)) }
  return answerStarted(c, mutations, shown, (operation) => c.json({ operation }))
}
