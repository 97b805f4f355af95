import { createMiddleware } from 'hono/factory'
import type { Mutations } from '../mutations.ts'
import type { RequestEnv } from '../request-context.ts'

/** Lets a shutdown wait for requests that change something; those that only read may be cut. */
export const countedMutations = (mutations: Mutations) =>
  createMiddleware<RequestEnv>((c, next) =>
    c.req.method === 'GET' || c.req.method === 'HEAD' ? next() : mutations.run(next),
  )
