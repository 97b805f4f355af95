/** Parts that are read ahead: a body of one part has ended before its client has taken it. */
const AHEAD = 2

/**
 * The same body, calling `over` once: when its last part was read, when it fails, and when its reader wants no more.
 * @param run calls what reads, so that a body that asks for its tenant finds it.
 */
export function leasedBody(
  body: ReadableStream<Uint8Array>,
  run: <T>(work: () => T) => T,
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
