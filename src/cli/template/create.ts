import type { Command } from 'commander'
import { z } from 'zod'
import { CreateTemplate, startTemplate } from '../../lifecycle/provision/template/create-template.ts'
import { answer, type CommandLine, collect, registryOptions } from '../command-line.ts'
import { readTextFile } from '../settings.ts'
import { withParts } from '../with-parts.ts'

const Options = z.object({
  schema: z.string(),
  server: z.string().optional(),
  extension: z.array(z.string()).default([]),
})

export function addTemplateCreate(parent: Command, cli: CommandLine): void {
  registryOptions(parent.command('create <name>'))
    .description(
      'make a database that tenants are copied from, named by its schema version; it never changes',
    )
    .requiredOption('--schema <file>', 'SQL of its tables, run once in one transaction')
    .option('--server <id>', 'where (default: the only server with an admin login)')
    .option('--extension <name>', 'to be in it; may be repeated', collect)
    .addHelpText('after', '\nExample:\n  tenantry template create v42 --schema tables.sql --extension citext')
    .action(async (name: string, _options: unknown, command: Command) => {
      const { schema: file, server, extension } = Options.parse(command.opts())
      const wanted = CreateTemplate.parse({ name, server, schema: readTextFile(file), extensions: extension })
      const made = await withParts(
        cli,
        command,
        async (parts, actor) => (await startTemplate(parts, wanted, actor)).result,
      )
      answer(cli, command, made, [
        made.created
          ? `template ${name} made: database ${made.database} on server ${made.server}`
          : `template ${name} is there already, nothing was changed: database ${made.database} on server ${made.server}`,
      ])
    })
}
