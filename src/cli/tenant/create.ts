import type { Command } from 'commander'
import { z } from 'zod'
import { provisionTenant } from '../../lifecycle/provision/provision-tenant.ts'
import { answer, type CommandLine, collect, registryOptions } from '../command-line.ts'
import { parseLabels } from '../labels.ts'
import { readTextFile } from '../settings.ts'
import { withParts } from '../with-parts.ts'

const Options = z.object({
  server: z.string().optional(),
  schema: z.string().optional(),
  host: z.array(z.string()).default([]),
  label: z.array(z.string()).default([]),
})

export function addTenantCreate(parent: Command, cli: CommandLine): void {
  registryOptions(parent.command('create <id>'))
    .description('provision a tenant: database, roles, grants; goes on where an earlier run stopped')
    .option('--server <id>', 'where (default: the only server with an admin login)')
    .option('--schema <file>', 'SQL of the first tables, run once as their owner in one transaction')
    .option('--host <name>', 'a host name that leads to the tenant; may be repeated', collect)
    .option('--label <name=value>', 'may be repeated', collect)
    .action(async (id: string, _options: unknown, command: Command) => {
      const { label, host: hostnames, schema: file, server } = Options.parse(command.opts())
      const schema = file === undefined ? undefined : readTextFile(file)
      const input = { id, server, schema, hostnames, labels: parseLabels(label) }
      const result = await withParts(cli, command, (parts, actor) => provisionTenant(parts, input, actor))
      const { tenant, created } = result
      answer(cli, command, result, [
        created
          ? `${id} created: database ${tenant.database} on server ${tenant.server}`
          : `${id} is there already, nothing was changed: database ${tenant.database} on server ${tenant.server}`,
      ])
      for (const finding of tenant.isolation?.findings ?? []) cli.note(`not isolated: ${finding}`)
    })
}
