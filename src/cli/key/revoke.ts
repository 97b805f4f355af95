import type { Command } from 'commander'
import { revokeKey } from '../../lifecycle/key/revoke-key.ts'
import { answer, type CommandLine, registryOptions } from '../command-line.ts'
import { withParts } from '../with-parts.ts'

export function addKeyRevoke(parent: Command, cli: CommandLine): void {
  registryOptions(parent.command('revoke <id>'))
    .description('refuse an API key from now on; ID is the part between the two underscores')
    .addHelpText('after', '\nExample:\n  tenantry key revoke k3v9x2m4q8wz')
    .action(async (id: string, _options: unknown, command: Command) => {
      const key = await withParts(cli, command, (parts, actor) => revokeKey(parts, id, actor))
      answer(cli, command, key, [`${id} revoked`])
    })
}
