import type { Command } from 'commander'
import { z } from 'zod'
import { listTenants, type TenantView } from '../../lifecycle/tenant/tenant-view.ts'
import { TENANT_STATUSES } from '../../tenant/tenant-status.ts'
import { answer, type CommandLine, collect, registryOptions } from '../command-line.ts'
import { parseLabels } from '../labels.ts'
import { table } from '../table.ts'
import { withParts } from '../with-parts.ts'

const Options = z.object({
  status: z.enum(TENANT_STATUSES).optional(),
  label: z.array(z.string()).default([]),
  server: z.string().optional(),
  database: z.string().optional(),
  role: z.string().optional(),
  prefix: z.string().optional(),
  limit: z.coerce.number().pipe(z.int().positive()).default(Number.POSITIVE_INFINITY),
})

export function addTenantList(parent: Command, cli: CommandLine): void {
  registryOptions(parent.command('list'))
    .description('tenants on record')
    .option('--status <status>', TENANT_STATUSES.join(', '))
    .option('--label <name=value>', 'only those with it; may be repeated', collect)
    .option('--server <id>', 'only those on this server')
    .option('--database <name>', 'only those whose database is called so, as pg_stat_activity tells it')
    .option('--role <name>', 'only those who log in as this role')
    .option('--prefix <text>', 'only those whose id begins so')
    .option('--limit <n>', 'at most so many (default: all)')
    .addHelpText('after', '\nExample:\n  tenantry tenant list --status active --label plan=pro --prefix ac')
    .action(async (_options: unknown, command: Command) => {
      const { label, limit, ...wanted } = Options.parse(command.opts())
      const tenants = await withParts(cli, command, async (parts) => {
        const found: TenantView[] = []
        for (let cursor: string | null | undefined; cursor !== null && found.length < limit; ) {
          const page = await listTenants(parts.registry, {
            cursor,
            limit: Math.min(1000, limit - found.length),
            ...wanted,
            labels: label.length > 0 ? parseLabels(label) : undefined,
          })
          found.push(...page.tenants)
          cursor = page.next
        }
        return found
      })
      const rows = tenants.map((tenant) => [
        tenant.id,
        tenant.status,
        tenant.origin,
        tenant.server,
        tenant.database,
        tenant.isolation?.isolated ? 'yes' : 'no',
      ])
      const headings = ['TENANT', 'STATUS', 'ORIGIN', 'SERVER', 'DATABASE', 'ISOLATED']
      answer(cli, command, tenants, table(headings, rows))
    })
}
