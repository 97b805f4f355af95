import type { Command } from 'commander'
import { z } from 'zod'
import { suspendTenant } from '../../lifecycle/tenant/suspend-tenant.ts'
import { answer, type CommandLine, registryOptions } from '../command-line.ts'
import { withParts } from '../with-parts.ts'

const Options = z.object({ reason: z.string().optional() })

export function addTenantSuspend(parent: Command, cli: CommandLine): void {
  registryOptions(parent.command('suspend <id>'))
    .description("refuse a tenant's requests and end its sessions")
    .option('--reason <text>', 'for the record')
    .addHelpText('after', '\nExample:\n  tenantry tenant suspend acme --reason unpaid')
    .action(async (id: string, _options: unknown, command: Command) => {
      const { reason } = Options.parse(command.opts())
      const result = await withParts(cli, command, (parts, actor) =>
        suspendTenant(parts, id, { reason }, actor),
      )
      const by =
        result.fence === 'database' ? 'the database refuses its logins' : 'the router refuses its requests'
      answer(cli, command, result, [`${id} suspended: ${by}, sessions ended: ${result.sessionsEnded}`])
      if (result.caveat !== null) cli.note(`warning: ${result.caveat}`)
    })
}
