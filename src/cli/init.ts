import { existsSync, readdirSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { z } from 'zod'
import { answer, type CommandLine } from './command-line.ts'
import { appFiles, hasTemplate } from './init/app-files.ts'
import { startFiles } from './init/start-files.ts'
import { writeNew } from './init/write-new.ts'

const Options = z.object({ app: z.boolean().optional() })

export function addInit(parent: Command, cli: CommandLine): void {
  parent
    .command('init [folder]')
    .description(
      'write keys and a file of settings to begin with (default: here), and in a new folder an app to go on from',
    )
    .option('--app', 'with the app, though the folder holds other files (default: where it is new or empty)')
    .option('--no-app', 'keys and settings alone')
    .addHelpText('after', '\nExamples:\n  tenantry init my-app\n  tenantry init /etc/tenantry --no-app')
    .action((given: string | undefined, _options: unknown, command: Command) => {
      const folder = resolve(given ?? '.')
      const { app = isEmpty(folder) && hasTemplate() } = Options.parse(command.opts())
      const { files, settings, masterKey, adminKey } = startFiles(folder)
      const written = writeNew(folder, app ? [...files, ...appFiles(folder)] : files)
      answer(cli, command, { settings, masterKey, adminKey, files: written }, [
        `settings   ${settings}`,
        `master key ${masterKey}`,
        `admin key  ${adminKey}`,
        ...(app
          ? nextOfApp(given ?? '.', written.length)
          : [`Next: tenantry server add … --env-file ${settings}`]),
      ])
      cli.note(
        'Keep both keys where the registry and its backups are not: who has all three has every password.',
      )
    })
}

function isEmpty(folder: string): boolean {
  return !existsSync(folder) || readdirSync(folder).length === 0
}

function nextOfApp(folder: string, count: number): string[] {
  return [
    `app        ${count} files, with tests; README.md says what is where`,
    'Next:',
    ...(folder === '.' ? [] : [`  cd ${folder}`]),
    '  npm install',
    '  npm run demo          # a Postgres of its own and three tenants, until Ctrl-C',
    '  npm run dev           # the app, in another terminal',
    '  npx tenantry tenant create umbrella --env-file .tenantry/demo.env --schema schema.sql',
    '  npm run token umbrella',
  ]
}
