import type { Context } from 'hono'
import { onAnswerOver } from './client-gone.ts'
import { leaseBody } from './leased-body.ts'
import { outgoingOf } from './request-context.ts'

/**
 * Calls back once, when the answer of this request is out to its last byte, or nobody takes any more of it. To be
 * called when the answer is there, after `next()`.
 */
export function whenAnswered(c: Context, over: () => void): void {
  const outgoing = outgoingOf(c)
  if (outgoing) return onAnswerOver(outgoing, over)
  // Without a server there is only the body to tell it.
  leaseBody(c, over)
}
