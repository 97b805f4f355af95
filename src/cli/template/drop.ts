import type { Command } from 'commander'
import { z } from 'zod'
import { InvalidRequestError } from '../../errors.ts'
import { dropTemplate } from '../../lifecycle/provision/template/drop-template.ts'
import { answer, type CommandLine, registryOptions } from '../command-line.ts'
import { withParts } from '../with-parts.ts'

const Options = z.object({ server: z.string().optional(), yes: z.string().optional() })

export function addTemplateDrop(parent: Command, cli: CommandLine): void {
  registryOptions(parent.command('drop <name>'))
    .description('remove a template; tenants that were made from it stay as they are')
    .option('--server <id>', 'where (default: the only server that has it)')
    .option('--yes <name>', 'its name again')
    .addHelpText('after', '\nExample:\n  tenantry template drop v41 --yes v41')
    .action(async (name: string, _options: unknown, command: Command) => {
      const { server, yes } = Options.parse(command.opts())
      const typed =
        yes ?? (await cli.ask?.(`Template ${name} is about to be dropped. Type its name to go on: `))
      if (typed?.trim() !== name)
        throw new InvalidRequestError(`say its name again to drop it: --yes ${name}`)
      const dropped = await withParts(cli, command, (parts, actor) =>
        dropTemplate(parts, { name, server }, actor),
      )
      answer(cli, command, dropped, [`template ${name} is gone from server ${dropped.server}`])
    })
}
