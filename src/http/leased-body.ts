import type { Context } from 'hono'

/** Parts that are read ahead: a body of one part has ended before its client has taken it. */
const AHEAD = 2

/**
 * Calls `over` once, when the body of the answer that is there has ended: its last part was read, it failed, or its
 * reader wants no more. At once where nobody will read one.
 * @param run calls what reads, so that a body that asks for its tenant finds it.
 */
export function leaseBody(c: Context, over: () => void, run: Run = (work) => work()): void {
  const { body } = c.res
  if (body === null || body.locked) return over()
  if (c.req.method === 'HEAD') {
    // Hono drops the body unread.
    void body.cancel().catch(() => undefined)
    return over()
  }
  const response = new Response(leasedBody(body, run, over), c.res)
  c.res = undefined // else Hono sets the headers of the first one on the next
  c.res = response
}

type Run = <T>(work: () => T) => T

function leasedBody(
  body: ReadableStream<Uint8Array>,
  run: Run,
  over: () => void,
): ReadableStream<Uint8Array> {
  const reader = body.getReader()
  return new ReadableStream<Uint8Array>(
    {
      async pull(sink) {
        try {
          const { done, value } = await run(() => reader.read())
          if (!done) return sink.enqueue(value)
          over()
          sink.close()
        } catch (error) {
          over()
          sink.error(error)
        }
      },
      async cancel(reason) {
        try {
          // First, so that a cursor can be closed on its connection.
          await run(() => reader.cancel(reason))
        } finally {
          over()
        }
      },
    },
    new CountQueuingStrategy({ highWaterMark: AHEAD }),
  )
}
