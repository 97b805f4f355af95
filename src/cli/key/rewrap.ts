import type { Command } from 'commander'
import { z } from 'zod'
import type { KeyView } from '../../lifecycle/rewrap/key-count.ts'
import { startRewrap } from '../../lifecycle/rewrap/rewrap-secrets.ts'
import { answer, type CommandLine, registryOptions } from '../command-line.ts'
import { Progress } from '../progress.ts'
import { withParts } from '../with-parts.ts'

const Options = z.object({ dryRun: z.boolean().default(false) })

export function addKeyRewrap(parent: Command, cli: CommandLine): void {
  registryOptions(parent.command('rewrap'))
    .description(
      'seal every secret of the registry again under the first master key, so that others can be dropped',
    )
    .option('--dry-run', 'count what is under which key, and change nothing')
    .addHelpText(
      'after',
      [
        '',
        'TENANTRY_MASTER_KEY (and TENANTRY_ADMIN_KEY) hold the new key first and the old one after it, in every process.',
        '',
        'Examples:',
        '  tenantry key rewrap --dry-run',
        '  tenantry key rewrap',
      ].join('\n'),
    )
    .action(async (_options: unknown, command: Command) => {
      const input = Options.parse(command.opts())
      const result = await withParts(cli, command, async (parts, actor) => {
        using progress = new Progress(cli, 'rewrap')
        const onProgress: typeof parts.onProgress = (operation) =>
          progress.show(operation.progress?.done ?? 0, operation.progress?.total)
        const started = await startRewrap({ ...parts, onProgress }, input, actor)
        return await started.result
      })
      const { master, admin, rewrapped, dryRun } = result
      answer(cli, command, result, [
        ...(dryRun ? [] : [`records sealed again: ${rewrapped}`]),
        lineOf('master key', master),
        ...(admin === null ? [] : [lineOf('admin key', admin)]),
      ])
      if (admin === null) cli.note('admin passwords were not looked at: they need TENANTRY_ADMIN_KEY')
      for (const what of [...master.unreadable, ...(admin?.unreadable ?? [])])
        cli.note(`does not open: ${what}`)
    })
}

function lineOf(name: string, { active, values, older }: KeyView): string {
  const others = Object.entries(older).map(([kid, count]) => `${count} under ${kid}`)
  const rest = others.length === 0 ? 'no other key is needed' : others.join(', ')
  return `${name} ${active}: ${values} values, ${rest}`
}
