import type { HonoRequest } from 'hono'
import { InvalidRequestError } from '../errors.ts'

/**
 * A header that decides who asks. Sent twice it reads as a list, and two parts of a system may each take
 * another of the two: refused. None of them holds a comma by itself.
 * @throws {InvalidRequestError}
 */
export function singleHeader(request: HonoRequest, name: string): string | undefined {
  const value = request.header(name)
  if (value?.includes(',')) throw new InvalidRequestError(`The header ${name} must be sent once.`)
  return value
}
