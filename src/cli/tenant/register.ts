import type { Command } from 'commander'
import { z } from 'zod'
import { registerTenant } from '../../lifecycle/tenant/register-tenant.ts'
import { answer, type CommandLine, collect, registryOptions } from '../command-line.ts'
import { dsnOptions, readDsn } from '../dsn-option.ts'
import { parseLabels } from '../labels.ts'
import { withParts } from '../with-parts.ts'

const Options = z.object({
  server: z.string().optional(),
  shared: z.boolean().default(false),
  dryRun: z.boolean().default(false),
  host: z.array(z.string()).default([]),
  label: z.array(z.string()).default([]),
})

export function addTenantRegister(parent: Command, cli: CommandLine): void {
  dsnOptions(registryOptions(parent.command('register <id>')))
    .description('serve a database that exists; nothing in it is changed')
    .option('--server <id>', 'a name for its server, where that is not on record yet')
    .option('--shared', 'another tenant may live in the same database')
    .option('--host <name>', 'a host name that leads to the tenant; may be repeated', collect)
    .option('--label <name=value>', 'may be repeated', collect)
    .option('--dry-run', 'look, and keep nothing')
    .addHelpText('after', '\nExample:\n  tenantry tenant register acme --dsn-file acme.dsn --label plan=pro')
    .action(async (id: string, _options: unknown, command: Command) => {
      const { label, host: hostnames, ...options } = Options.parse(command.opts())
      const dsn = await readDsn(cli, command)
      const input = { id, route: { dsn }, hostnames, labels: parseLabels(label), ...options }
      const result = await withParts(cli, command, (parts, actor) => registerTenant(parts, input, actor))
      const { probe } = result
      const where = probe.pin.systemIdentifier ?? probe.pin.serverAddress ?? 'unknown'
      answer(cli, command, result, [
        `${id} ${options.dryRun ? 'can be registered' : 'registered'}: database ${JSON.stringify(probe.pin.databaseName)} ` +
          `(oid ${probe.pin.databaseOid}, system ${where}) as ${probe.role} on ${probe.serverIsNew ? 'new ' : ''}server ${probe.server}, Postgres ${probe.postgres}`,
      ])
      for (const finding of probe.isolation.findings) cli.note(`not isolated: ${finding}`)
      if (!probe.isolation.isolated)
        cli.note('service keys and the library work; tenant keys get role_not_isolated')
      for (const other of probe.nowNotIsolated) {
        cli.note(`${other} is not isolated any more: its role may connect to this database`)
      }
    })
}
