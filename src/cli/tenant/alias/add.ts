import type { Command } from 'commander'
import { addAlias } from '../../../lifecycle/tenant/tenant-aliases.ts'
import { answer, type CommandLine, registryOptions } from '../../command-line.ts'
import { withParts } from '../../with-parts.ts'
import { aliasOf, aliasOptions } from './alias-option.ts'

export function addTenantAliasAdd(parent: Command, cli: CommandLine): void {
  aliasOptions(registryOptions(parent.command('add <id>')))
    .description('give a tenant another name')
    .addHelpText('after', '\nExample:\n  tenantry tenant alias add acme --host acme.example.com')
    .action(async (id: string, _options: unknown, command: Command) => {
      const name = aliasOf(command)
      const result = await withParts(cli, command, (parts, actor) => addAlias(parts, id, name, actor))
      const { alias, created } = result
      answer(cli, command, result, [
        `${alias.value} (${alias.kind}) ${created ? 'leads to' : 'led already to'} ${id}`,
      ])
    })
}
