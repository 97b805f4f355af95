import type { Hono } from 'hono'
import { NotFoundError } from '../errors.ts'
import { answerProblem, asTenantryError } from './problem.ts'
import type { RequestEnv } from './request-context.ts'

/** Whatever a route throws, and a path without a route, is answered as a problem. Logging is `observed`'s. */
export function answerErrors<E extends RequestEnv>(app: Hono<E>): void {
  app.onError((error, c) => answerProblem(c, asTenantryError(error), c.get('requestId')))
  app.notFound((c) => answerProblem(c, new NotFoundError('no such route'), c.get('requestId')))
}
