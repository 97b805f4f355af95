import type { Command } from 'commander'
import { type AliasView, listAliases } from '../../../lifecycle/tenant/tenant-aliases.ts'
import { answer, type CommandLine, registryOptions } from '../../command-line.ts'
import { table } from '../../table.ts'
import { withParts } from '../../with-parts.ts'

export function addTenantAliasList(parent: Command, cli: CommandLine): void {
  registryOptions(parent.command('list <id>'))
    .description('other names of a tenant')
    .addHelpText('after', '\nExample:\n  tenantry tenant alias list acme')
    .action(async (id: string, _options: unknown, command: Command) => {
      const aliases = await withParts(cli, command, async ({ registry }) => {
        const found: AliasView[] = []
        for (let cursor: string | null | undefined; cursor !== null; ) {
          const page = await listAliases(registry, id, { cursor, limit: 1000 })
          found.push(...page.aliases)
          cursor = page.next
        }
        return found
      })
      const rows = aliases.map(({ kind, value, createdAt }) => [kind, value, createdAt])
      answer(cli, command, aliases, table(['KIND', 'NAME', 'SINCE'], rows))
    })
}
