import type { Command } from 'commander'
import { z } from 'zod'
import { InvalidRequestError } from '../../errors.ts'
import { removeServer } from '../../lifecycle/server/remove-server.ts'
import { answer, type CommandLine, registryOptions } from '../command-line.ts'
import { withParts } from '../with-parts.ts'

const Options = z.object({ yes: z.string().optional(), gone: z.boolean().default(false) })

export function addServerRemove(parent: Command, cli: CommandLine): void {
  registryOptions(parent.command('remove <id>'))
    .description('take a database server that has no tenants off the record; nothing is done on it')
    .option('--yes <id>', 'its name again: what was on record, its admin login too, is gone')
    .option('--gone', 'it is gone for good, with its spares and templates; refused where it answers')
    .addHelpText('after', '\nExample:\n  tenantry server remove old --yes old')
    .action(async (id: string, _options: unknown, command: Command) => {
      const { yes, gone } = Options.parse(command.opts())
      const typed = yes ?? (await cli.ask?.(`Server ${id} goes off the record. Type its name to go on: `))
      if (typed?.trim() !== id) throw new InvalidRequestError(`say its name again to remove it: --yes ${id}`)
      const server = await withParts(cli, command, (parts, actor) => removeServer(parts, id, actor, { gone }))
      answer(cli, command, { server }, [`${id} is off the record`])
    })
}
