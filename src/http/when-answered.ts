import type { Context } from 'hono'
import { onAnswerOver } from './client-gone.ts'
import { outgoingOf } from './request-context.ts'

/**
 * Calls back once, when the answer of this request is out to its last byte, or nobody takes any more of it. To be
 * called when the answer is there, after `next()`.
 */
export function whenAnswered(c: Context, over: () => void): void {
  const outgoing = outgoingOf(c)
  if (outgoing) return onAnswerOver(outgoing, over)
  const { body } = c.res
  if (body === null) return over()
  const { status, statusText, headers } = c.res
  c.res = undefined // else Hono would set the headers of the first one on the next
  c.res = new Response(watched(body, over), { status, statusText, headers })
}

/** Without a server there is only the body to tell it. */
function watched(body: ReadableStream<Uint8Array>, over: () => void): ReadableStream<Uint8Array> {
  const reader = body.getReader()
  return new ReadableStream<Uint8Array>({
    async pull(sink) {
      try {
        const { done, value } = await reader.read()
        if (!done) return sink.enqueue(value)
        over()
        sink.close()
      } catch (error) {
        over()
        sink.error(error)
      }
    },
    cancel(reason) {
      over()
      return reader.cancel(reason)
    },
  })
}
