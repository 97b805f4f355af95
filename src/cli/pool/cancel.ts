import type { Command } from 'commander'
import { z } from 'zod'
import { many } from '../../lifecycle/why/phrases.ts'
import { parseTenantId } from '../../tenant/tenant-id.ts'
import { askService } from '../ask-service.ts'
import { answer, type CommandLine, registryOptions } from '../command-line.ts'
import { durationMs } from '../duration.ts'

const Options = z.object({ longerThan: z.string().optional() })

const Cancelled = z.looseObject({
  cancelled: z.int(),
  goingOn: z.int(),
  younger: z.int(),
  idle: z.int(),
})
type Cancelled = z.output<typeof Cancelled>

export function addPoolCancel(parent: Command, cli: CommandLine): void {
  registryOptions(parent.command('cancel <id>'))
    .description('cancel the statements that a tenant runs in a running service; its connections stay')
    .option('--longer-than <time>', 'only those that have been running for so long, as 10s or 5m')
    .addHelpText('after', '\nExample:\n  tenantry pool cancel acme --longer-than 10s')
    .action(async (id: string, _options: unknown, command: Command) => {
      const { longerThan } = Options.parse(command.opts())
      const longerThanMs = longerThan === undefined ? 0 : durationMs('--longer-than', longerThan)
      const path = `/v1/tenants/${parseTenantId(id)}/cancel`
      const asked = { method: 'POST', body: { longerThanMs } } as const
      const done = Cancelled.parse(await askService(cli, command, path, asked))
      answer(cli, command, done, [lineOf(id, done)])
    })
}

function lineOf(id: string, { cancelled, goingOn, younger, idle }: Cancelled): string {
  return [
    `${id}: ${many(cancelled, 'statement')} cancelled`,
    ...(goingOn > 0 ? [`${goingOn} did not end (tenant suspend ends its sessions)`] : []),
    ...(younger > 0 ? [`${younger} younger went on`] : []),
    ...(idle > 0 ? [`${many(idle, 'connection')} in use ran none`] : []),
  ].join('; ')
}
