import type { Env, Hono } from 'hono'
import { CancelledError, MethodNotAllowedError, NotFoundError, type TenantryError } from '../errors.ts'
import { answerProblem, asTenantryError } from './problem.ts'
import type { RequestEnv } from './request-context.ts'

/**
 * Whatever a route throws, a path without a route and a method that a path has not are answered as problems.
 * Comes after the routes. Logging is `observed`'s.
 */
export function answerErrors<E extends RequestEnv>(app: Hono<E>): void {
  refuseOtherMethods(app)
  app.onError((error, c) => {
    const told = reasonOf(error, c.get('signal'))
    c.error = told // so that the log says the same
    return answerProblem(c, told, c.get('requestId'))
  })
  app.notFound((c) => answerProblem(c, new NotFoundError('no such route'), c.get('requestId')))
}

/** A wait that the end of its request cut short says just that; whether the client left or time was up, the signal knows. */
export function reasonOf(error: unknown, signal: AbortSignal): TenantryError {
  return asTenantryError(error instanceof CancelledError && signal.aborted ? signal.reason : error)
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
