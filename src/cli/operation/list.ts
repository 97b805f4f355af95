import type { Command } from 'commander'
import { z } from 'zod'
import { ListOperations, listOperations } from '../../lifecycle/operation/list-operations.ts'
import { answer, type CommandLine, registryOptions } from '../command-line.ts'
import { table } from '../table.ts'
import { withParts } from '../with-parts.ts'

const Options = z.object({
  tenant: z.string().optional(),
  state: ListOperations.shape.state,
  limit: z.coerce.number().pipe(ListOperations.shape.limit.unwrap()),
  cursor: z.string().optional(),
})

export function addOperationList(parent: Command, cli: CommandLine): void {
  registryOptions(parent.command('list'))
    .description('what was begun: provisioning, imports, rotations, deletions, …')
    .option('--tenant <id>', 'only those of this tenant')
    .option('--state <state>', 'only those that are running, done or failed')
    .option('--limit <n>', 'at most so many', '100')
    .option('--cursor <id>', 'from after this one')
    .addHelpText('after', '\nExample:\n  tenantry operation list --tenant acme --state failed')
    .action(async (_options: unknown, command: Command) => {
      const wanted = Options.parse(command.opts())
      const page = await withParts(cli, command, (parts) => listOperations(parts.registry, wanted))
      const byTime = page.operations.toSorted((a, b) => (a.startedAt < b.startedAt ? -1 : 1))
      const rows = byTime.map((operation) => [
        operation.id,
        operation.kind,
        operation.tenant,
        operation.state,
        operation.stepsDone.at(-1),
        operation.startedAt,
        operation.error,
      ])
      const headings = ['OPERATION', 'KIND', 'TENANT', 'STATE', 'LAST STEP', 'STARTED', 'ERROR']
      answer(cli, command, page, table(headings, rows))
      if (page.next !== null) cli.note(`more: --cursor ${page.next}`)
    })
}
