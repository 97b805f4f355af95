import type { Command } from 'commander'
import { resumeTenant } from '../../lifecycle/tenant/resume-tenant.ts'
import { answer, type CommandLine, registryOptions } from '../command-line.ts'
import { withParts } from '../with-parts.ts'

export function addTenantResume(parent: Command, cli: CommandLine): void {
  registryOptions(parent.command('resume <id>'))
    .description('let a suspended tenant in again')
    .addHelpText('after', '\nExample:\n  tenantry tenant resume acme')
    .action(async (id: string, _options: unknown, command: Command) => {
      const tenant = await withParts(cli, command, (parts, actor) => resumeTenant(parts, id, actor))
      answer(cli, command, tenant, [`${id} is ${tenant.status}`])
    })
}
