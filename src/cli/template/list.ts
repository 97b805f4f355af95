import type { Command } from 'commander'
import { z } from 'zod'
import { listTemplates } from '../../lifecycle/provision/template/list-templates.ts'
import { answer, type CommandLine, registryOptions } from '../command-line.ts'
import { table } from '../table.ts'
import { withParts } from '../with-parts.ts'

const Options = z.object({ server: z.string().optional() })

export function addTemplateList(parent: Command, cli: CommandLine): void {
  registryOptions(parent.command('list'))
    .description('databases that tenants are copied from')
    .option('--server <id>', 'only those of this server')
    .addHelpText('after', '\nExample:\n  tenantry template list --server main')
    .action(async (_options: unknown, command: Command) => {
      const { server } = Options.parse(command.opts())
      const templates = await withParts(cli, command, (parts) => listTemplates(parts.registry, server))
      const rows = templates.map(({ name, server: on, database, ready }) => [
        name,
        on,
        database,
        ready ? 'ready' : 'being made',
      ])
      answer(cli, command, templates, table(['TEMPLATE', 'SERVER', 'DATABASE', 'STATE'], rows))
    })
}
