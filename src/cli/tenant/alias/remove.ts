import type { Command } from 'commander'
import { removeAlias } from '../../../lifecycle/tenant/tenant-aliases.ts'
import { answer, type CommandLine, registryOptions } from '../../command-line.ts'
import { withParts } from '../../with-parts.ts'
import { aliasOf, aliasOptions } from './alias-option.ts'

export function addTenantAliasRemove(parent: Command, cli: CommandLine): void {
  aliasOptions(registryOptions(parent.command('remove <id>')))
    .description('take a name away from a tenant; requests by it are no longer served')
    .addHelpText('after', '\nExample:\n  tenantry tenant alias remove acme --host acme.example.com')
    .action(async (id: string, _options: unknown, command: Command) => {
      const name = aliasOf(command)
      const result = await withParts(cli, command, (parts, actor) => removeAlias(parts, id, name, actor))
      answer(cli, command, result, [`${result.alias.value} (${result.alias.kind}) leads to ${id} no more`])
    })
}
