import type { Command } from 'commander'
import { z } from 'zod'
import { startSpares } from '../../lifecycle/provision/spare/make-spares.ts'
import { answer, type CommandLine, registryOptions } from '../command-line.ts'
import { Progress } from '../progress.ts'
import { withParts } from '../with-parts.ts'

const Options = z.object({ count: z.coerce.number(), template: z.string().optional() })

export function addServerSpares(parent: Command, cli: CommandLine): void {
  registryOptions(parent.command('spares <id>'))
    .description('keep databases ready that new tenants take at once; services refill them')
    .requiredOption('--count <n>', 'how many are to be ready; 0 drops those that are')
    .option('--template <name>', 'what they are copied from (default: they are empty)')
    .addHelpText('after', '\nExample:\n  tenantry server spares main --count 20')
    .action(async (id: string, _options: unknown, command: Command) => {
      const wanted = Options.parse(command.opts())
      using progress = new Progress(cli, 'spares')
      const kept = await withParts(cli, command, async (parts, actor) => {
        const onProgress = (operation: { progress: { done: number; total: number } | null }) => {
          if (operation.progress) progress.show(operation.progress.done, operation.progress.total)
        }
        return (await startSpares({ ...parts, onProgress }, id, wanted, actor)).result
      })
      const { ready, made, dropped } = kept
      answer(cli, command, kept, [
        `${id}: ${ready} spare databases are ready (${made} made, ${dropped} dropped)`,
      ])
    })
}
