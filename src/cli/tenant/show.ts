import type { Command } from 'commander'
import { showTenant } from '../../lifecycle/tenant/tenant-view.ts'
import { answer, type CommandLine, registryOptions } from '../command-line.ts'
import { recordLines } from '../record-lines.ts'
import { withParts } from '../with-parts.ts'

export function addTenantShow(parent: Command, cli: CommandLine): void {
  registryOptions(parent.command('show <id>'))
    .description('everything on record about a tenant but its password')
    .addHelpText('after', '\nExample:\n  tenantry tenant show acme --json')
    .action(async (id: string, _options: unknown, command: Command) => {
      const tenant = await withParts(cli, command, (parts) => showTenant(parts.registry, id))
      answer(cli, command, tenant, recordLines(tenant))
    })
}
