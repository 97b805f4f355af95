import type { Command } from 'commander'
import { z } from 'zod'
import { followTrail } from '../../lifecycle/audit/follow-trail.ts'
import { type AuditView, listTrail } from '../../lifecycle/audit/list-trail.ts'
import { answer, type CommandLine, globalsOf, registryOptions } from '../command-line.ts'
import { untilStopped } from '../until-stopped.ts'
import { withParts } from '../with-parts.ts'
import { FilterOptions, filterOptions } from './filter-options.ts'

const Options = FilterOptions.extend({ follow: z.boolean().default(false) })

export function addAuditTail(parent: Command, cli: CommandLine): void {
  filterOptions(registryOptions(parent.command('tail')), '20')
    .description('the last entries of the audit: who changed what, and who was refused')
    .option('--follow', 'go on with what is written, until Ctrl-C; with --json one object a line')
    .addHelpText('after', '\nExample:\n  tenantry audit tail --tenant acme --follow')
    .action(async (_options: unknown, command: Command) => {
      const { follow, ...wanted } = Options.parse(command.opts())
      await withParts(cli, command, async ({ registry }) => {
        if (follow)
          return await printOn(cli, followTrail(registry, wanted, stopSignal()), globalsOf(command).json)
        const page = await listTrail(registry, wanted)
        const entries = page.entries.toReversed()
        answer(cli, command, { ...page, entries }, entries.map(lineOf))
      })
    })
}

async function printOn(cli: CommandLine, entries: AsyncIterable<AuditView>, isJson: boolean): Promise<void> {
  for await (const entry of entries) cli.print(isJson ? JSON.stringify(entry) : lineOf(entry))
}

function stopSignal(): AbortSignal {
  const stop = new AbortController()
  void untilStopped().then(() => stop.abort())
  return stop.signal
}

function lineOf({ at, link, actor, action, target, tenant, detail }: AuditView): string {
  const what = Object.keys(detail).length === 0 ? '' : `  ${JSON.stringify(detail)}`
  const whose = tenant === null || tenant === target ? '' : ` (tenant ${tenant})`
  return `${at}  ${link === null ? 'unsealed' : `#${link}`}  ${actor}  ${action}  ${target}${whose}${what}`
}
