import type { Command } from 'commander'
import { z } from 'zod'
import { deleteTenant } from '../../lifecycle/delete/delete-tenant.ts'
import { answer, type CommandLine, registryOptions } from '../command-line.ts'
import { durationMs } from '../duration.ts'
import { typedName } from '../typed-name.ts'
import { withParts } from '../with-parts.ts'

const Options = z.object({
  yes: z.string().optional(),
  grace: z.string().optional(),
  reason: z.string().optional(),
})

export function addTenantDelete(parent: Command, cli: CommandLine): void {
  registryOptions(parent.command('delete <id>'))
    .description('refuse a tenant for good and lock its database, which stays until it is purged')
    .option('--yes <id>', "the tenant's name once more, where nobody is there to type it")
    .option('--grace <time>', 'how long it may be undeleted, as 30d, 12h or 0d (default: 30d)')
    .option('--reason <text>', 'for the record')
    .addHelpText(
      'after',
      '\nLogins that we made are locked. A role that was there before us is its owner’s: the answer names one that still gets in.\n\nExample:\n  tenantry tenant delete acme --grace 7d --yes acme',
    )
    .action(async (id: string, _options: unknown, command: Command) => {
      const { yes, grace, reason } = Options.parse(command.opts())
      const graceMs = grace === undefined ? undefined : durationMs('--grace', grace)
      const confirm = await typedName(cli, id, yes, 'deleted')
      const input = { confirm, graceMs, reason }
      const result = await withParts(cli, command, (parts, actor) => deleteTenant(parts, id, input, actor))
      const by =
        result.fence === 'database' ? 'the database refuses its logins' : 'the router refuses its requests'
      answer(cli, command, result, [
        `${id} deleted: ${by}, sessions ended: ${result.sessionsEnded}`,
        `until it is purged, which may be from ${result.purgeAfter}: tenantry tenant undelete ${id}`,
      ])
      if (result.caveat !== null) cli.note(`warning: ${result.caveat}`)
    })
}
