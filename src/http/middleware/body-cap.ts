import { bodyLimit } from 'hono/body-limit'
import { createMiddleware } from 'hono/factory'
import { BodyTooLargeError, CancelledError, InvalidRequestError } from '../../errors.ts'
import type { RequestEnv } from '../request-context.ts'

/** Refuses bodies over the cap before anything parses them, whether their length is told or has to be counted. */
export const bodyCap = (maxBytes: number) => {
  const counting = bodyLimit({
    maxSize: maxBytes,
    onError: () => {
      throw new BodyTooLargeError(maxBytes)
    },
  })
  return createMiddleware<RequestEnv>(async (c, next) => {
    const length = c.req.header('content-length')
    const isChunked = c.req.header('transfer-encoding') !== undefined
    if (length !== undefined && isChunked)
      throw new InvalidRequestError('Content-Length and Transfer-Encoding exclude each other.')
    if (length === undefined) return counting(c, next).catch(asCancelled)
    // Node reads no more than the length says, and asking for the body's stream here would halve throughput.
    if (!(Number(length) <= maxBytes)) throw new BodyTooLargeError(maxBytes)
    return next()
  })
}

/** Errors of what comes after do not pass here: Hono has answered them. */
function asCancelled(cause: unknown): never {
  if (cause instanceof BodyTooLargeError) throw cause
  throw new CancelledError('the body ended early', { cause })
}
