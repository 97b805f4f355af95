import type { Command } from 'commander'
import { z } from 'zod'
import { InvalidRequestError } from '../../errors.ts'
import { startUnregistering } from '../../lifecycle/import/unregister-tenant.ts'
import { type CommandLine, registryOptions } from '../command-line.ts'
import { eachTenantOptions, forEachTenant } from '../for-each-tenant.ts'
import { withParts } from '../with-parts.ts'

const Options = z.object({ yes: z.coerce.number().pipe(z.int()).optional() })

const EXAMPLE = `
Takes back tenant register and tenant import. Databases, roles and passwords stay as they are; sessions of the roles in
their databases are ended once.

Example:
  $ tenantry tenant unregister --label batch=may --dry-run
  $ tenantry tenant unregister --label batch=may --yes 40
`

export function addTenantUnregister(parent: Command, cli: CommandLine): void {
  eachTenantOptions(registryOptions(parent.command('unregister')))
    .description('forget registered tenants with their keys and names; their databases stay as they are')
    .option('--yes <count>', 'how many tenants that is, so that no other ones are meant')
    .addHelpText('after', EXAMPLE)
    .action(async (_options: unknown, command: Command) => {
      const { yes } = Options.parse(command.opts())
      await withParts(cli, command, (parts, actor) =>
        forEachTenant(cli, command, parts.registry, {
          what: 'unregister',
          confirm: (tenants) => refuseOtherCount(tenants.length, yes),
          work: async ({ id }) => (await startUnregistering(parts, id, { confirm: id }, actor)).result,
          line: (tenant) => `${tenant} unregistered`,
        }),
      )
    })
}

function refuseOtherCount(count: number, yes: number | undefined): void {
  if (yes === count) return
  throw new InvalidRequestError(
    `${count} tenants would be unregistered: say so with --yes ${count} (--dry-run names them)`,
  )
}
