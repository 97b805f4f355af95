import type { Command } from 'commander'
import { z } from 'zod'
import { AddServer, addServer } from '../../lifecycle/server/add-server.ts'
import { answer, type CommandLine, collect, registryOptions } from '../command-line.ts'
import { dsnOptions, readDsn } from '../dsn-option.ts'
import { parseLabels } from '../labels.ts'
import { withParts } from '../with-parts.ts'

const Options = z.object({
  provision: z.boolean().default(true),
  maxConnections: z.coerce.number().optional(),
  via: AddServer.shape.via,
  passwordProvider: z.string().optional(),
  headroom: z.coerce.number().optional(),
  label: z.array(z.string()).default([]),
})

export function addServerAdd(parent: Command, cli: CommandLine): void {
  dsnOptions(registryOptions(parent.command('add <id>')))
    .description(
      'put a database server on record; its login provisions tenants (CREATEDB, CREATEROLE, no superuser)',
    )
    .option('--no-provision', 'use the login for the checks only and forget it: nothing is provisioned there')
    .option('--via <what>', 'direct, session-pooler or transaction-pooler (default: direct)')
    .option('--password-provider <name>', "what makes its roles' passwords, in routers of the library")
    .option('--max-connections <n>', 'connections for tenants (default: 70 % of what the server gives)')
    .option('--headroom <n>', 'connections beside those, for admin, cancel and terminate (default: 3)')
    .option('--label <name=value>', 'may be repeated', collect)
    .addHelpText(
      'after',
      '\nExample:\n  tenantry server add main --dsn-file admin.dsn --max-connections 100 --label region=eu',
    )
    .action(async (id: string, _options: unknown, command: Command) => {
      const { label, ...options } = Options.parse(command.opts())
      const dsn = await readDsn(cli, command)
      const result = await withParts(cli, command, (parts, actor) =>
        addServer(parts, { id, dsn, labels: parseLabels(label), ...options }, actor),
      )
      const { server, capacity, created, warnings } = result
      answer(cli, command, result, [
        `${server.id} ${created ? 'added' : 'updated'}: Postgres ${capacity.version}, ${server.budget.maxConnections} connections for tenants ` +
          `+ ${server.budget.headroom} headroom of ${capacity.usable} usable (max_connections ${capacity.maxConnections})`,
      ])
      for (const warning of warnings) cli.note(`warning: ${warning}`)
    })
}
