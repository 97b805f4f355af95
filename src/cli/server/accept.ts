import type { Command } from 'commander'
import { z } from 'zod'
import { PreconditionFailedError } from '../../errors.ts'
import { acceptServer } from '../../lifecycle/server/accept-server.ts'
import { answer, type CommandLine, registryOptions } from '../command-line.ts'
import { withParts } from '../with-parts.ts'

const Options = z.object({ dryRun: z.boolean().default(false) })

export function addServerAccept(parent: Command, cli: CommandLine): void {
  registryOptions(parent.command('accept <id>'))
    .description("take on a server's tenants as they are after a restore, an upgrade or a change of machines")
    .option('--dry-run', 'tell what would be done, and change nothing')
    .addHelpText('after', '\nExample:\n  tenantry server accept main --dry-run')
    .action(async (id: string, _options: unknown, command: Command) => {
      const { dryRun } = Options.parse(command.opts())
      const result = await withParts(cli, command, (parts, actor) =>
        acceptServer(parts, id, { dryRun }, actor),
      )
      const { tenants } = result
      const changed = tenants.filter(({ changes }) => changes.length > 0)
      const refused = tenants.filter(({ refusal }) => refusal !== null)
      answer(cli, command, result, [
        ...changed.map(({ tenant, status, changes }) => `${tenant} (${status}): ${changes.join('; ')}`),
        `${id}: ${tenants.length} tenants, ${changed.length} ${dryRun ? 'to change' : 'changed'}, ${refused.length} not accepted`,
      ])
      for (const { tenant, refusal } of refused) cli.note(`not accepted: ${tenant}: ${refusal}`)
      if (refused.length > 0)
        throw new PreconditionFailedError(`${refused.length} of ${tenants.length} tenants were not accepted.`)
    })
}
