import { InvalidRequestError } from '../errors.ts'

/**
 * `plan=pro` as it stands on the command line, any number of times.
 * @throws {InvalidRequestError}
 */
export function parseLabels(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf('=')
      if (at < 1) throw new InvalidRequestError(`a label is NAME=VALUE, not ${JSON.stringify(pair)}`)
      return [pair.slice(0, at), pair.slice(at + 1)]
    }),
  )
}
