import type { HttpBindings } from '@hono/node-server'
import type { Context } from 'hono'
import { outgoingOf } from './request-context.ts'

type Outgoing = HttpBindings['outgoing']

/**
 * As `onClientGone`, also where an app is called without a server. Node's own objects tell it at a fraction of what
 * touching `c.req.raw.signal` costs (`@hono/node-server` 2.1).
 */
export function onDisconnect(c: Context, gone: () => void): () => void {
  const outgoing = outgoingOf(c)
  if (outgoing) return onClientGone(outgoing, gone)
  const { signal } = c.req.raw
  if (signal.aborted) gone()
  signal.addEventListener('abort', gone)
  return () => signal.removeEventListener('abort', gone)
}

/**
 * Calls back when the client's connection closes before its answer is out; the returned function forgets it. On the
 * socket: an answer that waits for another one before it, sent on the same socket, is told of nothing by Node.
 */
export function onClientGone(outgoing: Outgoing, gone: () => void): () => void {
  const { socket } = outgoing.req
  const onClose = () => {
    if (!outgoing.writableFinished) gone()
  }
  socket.once('close', onClose)
  return () => socket.off('close', onClose)
}

/** Calls back once, when the answer is out or its client has gone. */
export function onAnswerOver(outgoing: Outgoing, over: () => void): void {
  const { socket } = outgoing.req
  if (socket.destroyed) return over()
  const once = () => {
    outgoing.off('finish', once)
    socket.off('close', once)
    over()
  }
  outgoing.once('finish', once)
  socket.once('close', once)
}
