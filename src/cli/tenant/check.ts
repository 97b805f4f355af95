import type { Command } from 'commander'
import { checkTenant } from '../../lifecycle/tenant/check-tenant.ts'
import { answer, type CommandLine, registryOptions } from '../command-line.ts'
import { withParts } from '../with-parts.ts'

export function addTenantCheck(parent: Command, cli: CommandLine): void {
  registryOptions(parent.command('check <id>'))
    .description("look again whether the tenant's role is isolated, so that tenant keys may run SQL")
    .addHelpText('after', '\nExample:\n  tenantry tenant check acme')
    .action(async (id: string, _options: unknown, command: Command) => {
      const tenant = await withParts(cli, command, (parts, actor) => checkTenant(parts, id, actor))
      answer(cli, command, tenant, [`${id} is ${tenant.isolation?.isolated ? '' : 'not '}isolated`])
      for (const finding of tenant.isolation?.findings ?? []) cli.note(`not isolated: ${finding}`)
    })
}
