import type { Env, Hono } from 'hono'
import { MethodNotAllowedError, NotFoundError } from '../errors.ts'
import { answerProblem, asTenantryError } from './problem.ts'
import type { RequestEnv } from './request-context.ts'

/**
 * Whatever a route throws, a path without a route and a method that a path has not are answered as problems.
 * Comes after the routes. Logging is `observed`'s.
 */
export function answerErrors<E extends RequestEnv>(app: Hono<E>): void {
  refuseOtherMethods(app)
  app.onError((error, c) => answerProblem(c, asTenantryError(error), c.get('requestId')))
  app.notFound((c) => answerProblem(c, new NotFoundError('no such route'), c.get('requestId')))
}

function refuseOtherMethods<E extends Env>(app: Hono<E>): void {
  const methodsOf = new Map<string, Set<string>>()
  for (const { method, path } of app.routes) {
    if (method === 'ALL') continue
    methodsOf.set(path, (methodsOf.get(path) ?? new Set<string>()).add(method))
  }
  for (const [path, methods] of methodsOf)
    app.all(path, () => {
      throw new MethodNotAllowedError([...methods])
    })
}
