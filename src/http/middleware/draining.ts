import { createMiddleware } from 'hono/factory'
import type { Health } from '../health.ts'
import type { RequestEnv } from '../request-context.ts'

/**
 * While draining, answers and asks the client to open its next connection elsewhere: a server that only stops
 * accepting waits for kept-alive connections until they time out.
 */
export const draining = (health: Health) =>
  createMiddleware<RequestEnv>(async (c, next) => {
    await next()
    if (health.isDraining) c.header('connection', 'close')
  })
