import type { Context } from 'hono'
import type { TenantEnv } from '../request-context.ts'

/** A larger body loses its connection instead. */
export const MAX_DRAINED_BYTES = 67_108_864

/**
 * Reads over what has not been read of the body, so that a client that still writes it hears the answer:
 * undici would otherwise use the dying connection for its next request.
 */
export async function drainBody(c: Context<TenantEnv>): Promise<void> {
  const bindings = c.env as TenantEnv['Bindings'] | undefined // absent without a server, whatever Hono's type says
  const incoming = bindings?.incoming
  const signal = c.get('signal')
  if (!incoming || incoming.readableEnded || incoming.destroyed || signal.aborted) return
  let bytes = 0
  await new Promise<void>((resolve) => {
    const count = (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > MAX_DRAINED_BYTES) resolve()
    }
    incoming.on('data', count)
    incoming.once('end', resolve)
    incoming.once('close', resolve)
    signal.addEventListener('abort', () => resolve(), { once: true })
    incoming.resume()
  })
}
