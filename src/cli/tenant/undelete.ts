import type { Command } from 'commander'
import { undeleteTenant } from '../../lifecycle/delete/undelete-tenant.ts'
import { answer, type CommandLine, registryOptions } from '../command-line.ts'
import { withParts } from '../with-parts.ts'

export function addTenantUndelete(parent: Command, cli: CommandLine): void {
  registryOptions(parent.command('undelete <id>'))
    .description('make a deleted tenant what it was before, as long as it is not purged')
    .addHelpText('after', '\nExample:\n  tenantry tenant undelete acme')
    .action(async (id: string, _options: unknown, command: Command) => {
      const tenant = await withParts(cli, command, (parts, actor) => undeleteTenant(parts, id, actor))
      answer(cli, command, tenant, [`${id} is ${tenant.status}`])
    })
}
