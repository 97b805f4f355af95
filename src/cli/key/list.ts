import type { Command } from 'commander'
import { z } from 'zod'
import { type KeyView, listKeys } from '../../lifecycle/key/key-view.ts'
import { answer, type CommandLine, registryOptions } from '../command-line.ts'
import { table } from '../table.ts'
import { withParts } from '../with-parts.ts'

const Options = z.object({ tenant: z.string().optional() })

export function addKeyList(parent: Command, cli: CommandLine): void {
  registryOptions(parent.command('list'))
    .description('API keys, without their secrets')
    .option('--tenant <id>', 'only those of this tenant')
    .addHelpText('after', '\nExample:\n  tenantry key list --tenant acme')
    .action(async (_options: unknown, command: Command) => {
      const { tenant } = Options.parse(command.opts())
      const keys = await withParts(cli, command, async (parts) => {
        const found: KeyView[] = []
        for (let cursor: string | null | undefined; cursor !== null; ) {
          const page = await listKeys(parts.registry, { cursor, limit: 1000, tenant })
          found.push(...page.keys)
          cursor = page.next
        }
        return found
      })
      const rows = keys.map((key) => [
        key.id,
        scopeText(key),
        key.name,
        key.expiresAt ?? 'never',
        stateOf(key),
      ])
      answer(cli, command, keys, table(['KEY', 'SCOPE', 'NAME', 'EXPIRES', 'STATE'], rows))
    })
}

function scopeText({ scope }: KeyView): string {
  if (scope.kind === 'tenant') return `tenant:${scope.tenant}`
  return scope.kind === 'operator' ? `operator:${scope.role}` : 'service'
}

function stateOf({ revokedAt, expiresAt }: KeyView): string {
  if (revokedAt !== null) return 'revoked'
  return expiresAt !== null && Date.parse(expiresAt) <= Date.now() ? 'expired' : 'valid'
}
