import { InvalidRequestError } from '../errors.ts'

/**
 * A value as JSON.
 * @param what begins the sentence of the error.
 * @throws {InvalidRequestError} for what has none: a function, `undefined`, a bigint, what holds itself.
 */
export function jsonText(value: unknown, what: string): string {
  let text: string | undefined
  let cause: unknown
  try {
    text = JSON.stringify(value)
  } catch (error) {
    cause = error
  }
  if (text === undefined) throw new InvalidRequestError(`${what} must be JSON.`, { cause })
  return text
}
