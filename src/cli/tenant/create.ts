import type { Command } from 'commander'
import { z } from 'zod'
import { CreateTenant } from '../../lifecycle/provision/create-tenant.ts'
import { provisionTenant, type TenantCreated } from '../../lifecycle/provision/provision-tenant.ts'
import { answer, type CommandLine, collect, registryOptions } from '../command-line.ts'
import { parseLabels } from '../labels.ts'
import { readTextFile } from '../settings.ts'
import { withParts } from '../with-parts.ts'

const Options = z.object({
  server: z.string().optional(),
  region: z.string().optional(),
  place: z.array(z.string()).default([]),
  template: z.string().optional(),
  strategy: CreateTenant.shape.strategy,
  spare: z.boolean().default(true),
  schema: z.string().optional(),
  extension: z.array(z.string()).default([]),
  set: z.array(z.string()).default([]),
  connectionLimit: z.coerce.number().optional(),
  host: z.array(z.string()).default([]),
  label: z.array(z.string()).default([]),
})

export function addTenantCreate(parent: Command, cli: CommandLine): void {
  registryOptions(parent.command('create <id>'))
    .description('provision a tenant: database, roles, grants; goes on where an earlier run stopped')
    .option(
      '--server <id>',
      'where (default: the one that can take it with the fewest tenants for its budget)',
    )
    .option('--region <name>', 'on a server labelled region=NAME')
    .option('--place <name=value>', 'on a server with this label; may be repeated', collect)
    .option('--template <name>', 'copy this database; its name becomes the schema version')
    .option('--strategy <how>', 'how the server copies: wal_log or file_copy')
    .option('--no-spare', 'make a new database, also where one is ready')
    .option('--schema <file>', 'SQL of the first tables, run once as their owner in one transaction')
    .option('--extension <name>', 'an extension of the allow-list; may be repeated', collect)
    .option(
      '--set <name=value>',
      'a setting of its login roles, as statement_timeout=30s; may be repeated',
      collect,
    )
    .option(
      '--connection-limit <n>',
      'CONNECTION LIMIT of each login role (default: above what the service opens)',
    )
    .option('--host <name>', 'a host name that leads to the tenant; may be repeated', collect)
    .option('--label <name=value>', 'may be repeated', collect)
    .addHelpText(
      'after',
      '\nExample:\n  tenantry tenant create acme --region eu --template v42 --label plan=pro',
    )
    .action(async (id: string, _options: unknown, command: Command) => {
      const input = inputOf(id, Options.parse(command.opts()))
      const result = await withParts(cli, command, (parts, actor) => provisionTenant(parts, input, actor))
      answer(cli, command, result, linesOf(id, result))
      for (const warning of result.placement?.warnings ?? []) cli.note(`warning: ${warning}`)
      for (const finding of result.tenant.isolation?.findings ?? []) cli.note(`not isolated: ${finding}`)
    })
}

function inputOf(id: string, options: z.output<typeof Options>): CreateTenant {
  const { label, host: hostnames, schema: file, region, place, extension, set, ...same } = options
  const placement = { labels: { ...parseLabels(place), ...(region === undefined ? {} : { region }) } }
  // What the command line says is text: what of it is allowed, the schema says.
  return CreateTenant.parse({
    id,
    ...same,
    schema: file === undefined ? undefined : readTextFile(file),
    extensions: extension,
    settings: parseLabels(set),
    placement,
    hostnames,
    labels: parseLabels(label),
  })
}

function linesOf(id: string, { tenant, created, placement }: TenantCreated): string[] {
  const where = `database ${tenant.database} on server ${tenant.server}`
  if (!created) return [`${id} is there already, nothing was changed: ${where}`]
  const why = placement === null ? [] : [`on ${placement.server}, since ${placement.why}`]
  return [`${id} created: ${where}`, ...why]
}
