import type { Command } from 'commander'
import { z } from 'zod'
import { InvalidRequestError } from '../../errors.ts'
import { migrateRegistry, type RegistryMigration } from '../../registry/migrate-registry.ts'
import { answer, type CommandLine, globalsOf, registryOptions } from '../command-line.ts'
import { settingsFor } from '../settings.ts'

const Options = z.object({ dryRun: z.boolean().default(false) })

export function addRegistryMigrate(parent: Command, cli: CommandLine): void {
  registryOptions(parent.command('migrate'))
    .description(
      "bring the registry's schema to what this version knows; the version before goes on beside it",
    )
    .option('--dry-run', 'tell what would be done, and change nothing')
    .addHelpText('after', '\nExample:\n  tenantry registry migrate --dry-run')
    .action(async (_options: unknown, command: Command) => {
      const { dryRun } = Options.parse(command.opts())
      const { registryUrl } = settingsFor(cli, globalsOf(command))
      if (registryUrl === undefined)
        throw new InvalidRequestError('no registry: set TENANTRY_REGISTRY_URL or give --registry URL')
      const migration = await migrateRegistry(registryUrl, dryRun)
      const { from, to, steps } = migration
      const done =
        steps.length === 0 ? 'nothing to do' : `${dryRun ? 'to apply' : 'applied'}: ${steps.join(', ')}`
      answer(cli, command, { ...migration, dryRun }, [
        `schema ${from} -> ${to}: ${done}`,
        ...beside(migration),
      ])
    })
}

/** What becomes of the processes that are there. */
function beside({ from, to, readableFrom, steps }: RegistryMigration): string[] {
  if (from === 0 || steps.length === 0) return []
  return readableFrom > from
    ? [`processes that know less than schema ${readableFrom} cannot go on: end them before`]
    : [`processes that know schema ${from} go on beside those that know ${to}, and may be gone back to`]
}
