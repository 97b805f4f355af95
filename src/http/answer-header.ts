import type { Context } from 'hono'
import { outgoingOf } from './request-context.ts'

/**
 * Sets a header of the answer: on Node's own response where there is one, since on the context it makes Hono build a
 * `Headers` for each answer. On the context, an answer that a handler made itself has only those that are set after it.
 */
export function answerHeader(c: Context, name: string, value: string): void {
  const outgoing = outgoingOf(c)
  if (outgoing) outgoing.setHeader(name, value)
  else c.header(name, value)
}
