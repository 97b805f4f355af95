import type { Context } from 'hono'
import { BodyTooLargeError, CancelledError } from '../../errors.ts'
import { bodyText } from '../json-body.ts'
import type { TenantEnv } from '../request-context.ts'
import { tellsLength } from '../told-length.ts'
import { MAX_DRAINED_BYTES } from './drain-body.ts'

/**
 * The text of a body that is within the cap. Of one whose length is not told, all is read before it is refused.
 * @throws {BodyTooLargeError} {InvalidRequestError} {CancelledError} the client went away in the middle of it.
 */
export async function bodyWithin(c: Context<TenantEnv>, maxBytes: number): Promise<string> {
  return tellsLength(c.req, maxBytes) ? bodyText(c.req) : countedText(c.req.raw.body, maxBytes)
}

async function countedText(body: ReadableStream<Uint8Array> | null, maxBytes: number): Promise<string> {
  const parts: Uint8Array[] = []
  let bytes = 0
  try {
    for await (const part of body ?? []) {
      bytes += part.length
      if (bytes <= maxBytes) parts.push(part)
      if (bytes > MAX_DRAINED_BYTES) break
    }
  } catch (cause) {
    throw new CancelledError('the body ended early', { cause })
  }
  if (bytes > maxBytes) throw new BodyTooLargeError(maxBytes)
  return Buffer.concat(parts).toString('utf8')
}
