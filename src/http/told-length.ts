import type { HonoRequest } from 'hono'
import { BodyTooLargeError, InvalidRequestError } from '../errors.ts'

/**
 * Whether the request tells how long its body is, and that is within the cap. Node reads no more than it says: asking
 * for the body's stream, to count it, would halve throughput.
 * @throws {BodyTooLargeError}; {InvalidRequestError} where it tells it in two ways.
 */
export function tellsLength(request: HonoRequest, maxBytes: number): boolean {
  const length = request.header('content-length')
  if (length === undefined) return false
  if (request.header('transfer-encoding') !== undefined)
    throw new InvalidRequestError('Content-Length and Transfer-Encoding exclude each other.')
  if (!(Number(length) <= maxBytes)) throw new BodyTooLargeError(maxBytes)
  return true
}
