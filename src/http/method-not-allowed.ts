import type { Env, Hono } from 'hono'
import { MethodNotAllowedError } from '../errors.ts'

/** Answers 405 on every path that has routes, for the methods it has none for. Comes after the routes. */
export function refuseOtherMethods<E extends Env>(app: Hono<E>): void {
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
