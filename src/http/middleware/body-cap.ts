import { bodyLimit } from 'hono/body-limit'
import { createMiddleware } from 'hono/factory'
import { BodyTooLargeError, CancelledError } from '../../errors.ts'
import type { RequestEnv } from '../request-context.ts'
import { tellsLength } from '../told-length.ts'

/** Refuses bodies over the cap before anything parses them, whether their length is told or has to be counted. */
export const bodyCap = (maxBytes: number) => {
  const counting = bodyLimit({
    maxSize: maxBytes,
    onError: () => {
      throw new BodyTooLargeError(maxBytes)
    },
  })
  return createMiddleware<RequestEnv>(async (c, next) =>
    tellsLength(c.req, maxBytes) ? next() : counting(c, next).catch(asCancelled),
  )
}

/** Errors of what comes after do not pass here: Hono has answered them. */
function asCancelled(cause: unknown): never {
  if (cause instanceof BodyTooLargeError) throw cause
  throw new CancelledError('the body ended early', { cause })
}
