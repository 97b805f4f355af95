import type { Command } from 'commander'
import { z } from 'zod'
import { effectiveLines, readServiceSettings } from '../config.ts'
import type { CommandLine } from './command-line.ts'
import { variablesFor } from './settings.ts'
import { untilStopped } from './until-stopped.ts'

const Options = z.object({ registry: z.string().optional(), envFile: z.string().optional() })

export function addServe(parent: Command, cli: CommandLine): void {
  parent
    .command('serve')
    .description('run the service: settings come from TENANTRY_* variables (docs/configuration.md)')
    .option('--registry <url>', 'postgres://…, consul://… or file:PATH (default: TENANTRY_REGISTRY_URL)')
    .option('--env-file <path>', 'a file of settings, for those that the environment does not give')
    .addHelpText(
      'after',
      '\nExample:\n  TENANTRY_REGISTRY_URL=postgres://… tenantry serve --env-file tenantry.env',
    )
    .action(async (_options: unknown, command: Command) => {
      const options = Options.parse(command.opts())
      const settings = readServiceSettings(variablesFor(cli, options))
      const { startService } = await import('../server.ts')
      const stopped = untilStopped()
      await using _service = await startService(settings)
      for (const line of effectiveLines(settings)) cli.note(line)
      await stopped
    })
}
