import type { Command } from 'commander'
import { z } from 'zod'
import { InvalidRequestError } from '../../../errors.ts'
import type { AliasName } from '../../../lifecycle/tenant/tenant-aliases.ts'

export function aliasOptions(command: Command): Command {
  return command
    .option('--host <name>', 'a host name')
    .option('--external <id>', 'its id in another system, as that of an identity provider')
}

const Options = z.object({ host: z.string().optional(), external: z.string().optional() })

/** @throws {InvalidRequestError} unless exactly one of the two is given. */
export function aliasOf(command: Command): AliasName {
  const { host, external } = Options.parse(command.opts())
  if ((host === undefined) === (external === undefined)) {
    throw new InvalidRequestError('give either --host NAME or --external ID')
  }
  return host === undefined ? { kind: 'external', value: external ?? '' } : { kind: 'hostname', value: host }
}
