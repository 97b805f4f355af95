import { InvalidRequestError } from '../errors.ts'
import type { CommandLine } from './command-line.ts'

/**
 * The tenant's name as somebody typed it: with `--yes`, or when asked for on a terminal. Whether it is the right one is
 * for the verb to say.
 * @param what is about to happen to it, in a word or two.
 * @throws {InvalidRequestError} where neither is there.
 */
export async function typedName(
  cli: CommandLine,
  id: string,
  yes: string | undefined,
  what: string,
): Promise<string> {
  if (yes !== undefined) return yes
  const typed = await cli.ask?.(`Tenant ${id} is about to be ${what}. Type its name to go on: `)
  if (typed === undefined) throw new InvalidRequestError(`nobody is there to confirm: give --yes ${id}`)
  return typed.trim()
}
