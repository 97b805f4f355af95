import type { Context } from 'hono'
import { createMiddleware } from 'hono/factory'
import { CancelledError, LeaseExpiredError } from '../../errors.ts'
import type { RequestEnv } from '../request-context.ts'

/**
 * Gives the request a signal that aborts when its client has gone or its time is over.
 * @param timeoutMs for the whole request from here: the last net, above all limits of its parts.
 */
export const requestSignal = (timeoutMs: number) =>
  createMiddleware<RequestEnv>(async (c, next) => {
    const controller = new AbortController()
    const timer = setTimeout(
      () => controller.abort(new LeaseExpiredError(`the request took longer than ${timeoutMs} ms`)),
      timeoutMs,
    )
    const forget = onDisconnect(c, () => controller.abort(new CancelledError('the client has gone')))
    c.set('signal', controller.signal)
    try {
      await next()
    } finally {
      clearTimeout(timer)
      forget()
    }
  })

/** Node's response tells it at a fraction of what touching `c.req.raw.signal` costs (`@hono/node-server` 2.1). */
function onDisconnect(c: Context<RequestEnv>, gone: () => void): () => void {
  // Called without a server there are no bindings at all, whatever the type says.
  const outgoing = (c.env as Partial<RequestEnv['Bindings']> | undefined)?.outgoing
  if (outgoing) {
    const onClose = () => {
      if (!outgoing.writableFinished) gone()
    }
    outgoing.once('close', onClose)
    return () => outgoing.off('close', onClose)
  }
  const { signal } = c.req.raw
  if (signal.aborted) gone()
  signal.addEventListener('abort', gone)
  return () => signal.removeEventListener('abort', gone)
}
