import type { Context } from 'hono'
import { createMiddleware } from 'hono/factory'
import { answerHeader } from '../answer-header.ts'
import type { Health } from '../health.ts'
import type { RequestEnv } from '../request-context.ts'
import { requestIdOf } from '../request-id.ts'
import { RequestLife } from '../request-life.ts'
import { type Observation, observe } from '../request-observation.ts'

export interface FrameParts extends Observation {
  readonly health: Health
  /** Milliseconds for a whole request: the last net, above all limits of its parts. */
  readonly requestTimeoutMs: number
}

/**
 * Around every request: its id, the signal of its end, and, when it has been answered, its count and its line
 * in the log. One middleware for all, since each costs every request some promises.
 */
export const framed = (plane: 'tenant' | 'operator', parts: FrameParts) =>
  createMiddleware<RequestEnv>(async (c, next) => {
    const startedAt = performance.now()
    identify(c)
    const life = new RequestLife(c, parts.requestTimeoutMs)
    c.set('signal', life.signal)
    try {
      await next()
    } finally {
      life.end()
    }
    // A server that only stops accepting waits for kept-alive connections until they time out.
    if (parts.health.isDraining) c.header('connection', 'close')
    observe(c, plane, (performance.now() - startedAt) / 1000, parts)
  })

function identify(c: Context<RequestEnv>): void {
  const id = requestIdOf(c.req.header('x-request-id'))
  c.set('requestId', id)
  answerHeader(c, 'x-request-id', id)
}
