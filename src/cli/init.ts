import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import { InvalidRequestError } from '../errors.ts'
import { generateMasterKey } from '../registry/master-keys.ts'
import { answer, type CommandLine } from './command-line.ts'

export function addInit(parent: Command, cli: CommandLine): void {
  parent
    .command('init [folder]')
    .description('write a master key, an admin key and a file of settings to begin with (default: here)')
    .addHelpText('after', '\nExample:\n  tenantry init /etc/tenantry')
    .action((folder: string | undefined, _options: unknown, command: Command) => {
      const written = writeStart(resolve(folder ?? '.'))
      answer(cli, command, written, [
        `settings   ${written.settings}`,
        `master key ${written.masterKey}`,
        `admin key  ${written.adminKey}`,
        `Next: tenantry server add … --env-file ${written.settings}`,
      ])
      cli.note(
        'Keep both keys where the registry and its backups are not: who has all three has every password.',
      )
    })
}

export interface StartFiles {
  readonly settings: string
  readonly masterKey: string
  readonly adminKey: string
}

/**
 * All three files, readable by their owner only, or none.
 * @throws {InvalidRequestError} where one is there already: a key that is overwritten opens nothing any more.
 */
export function writeStart(folder: string): StartFiles {
  const files = {
    settings: join(folder, 'tenantry.env'),
    masterKey: join(folder, 'tenantry-master.key'),
    adminKey: join(folder, 'tenantry-admin.key'),
  }
  const written: string[] = []
  const write = (path: string, text: string) => {
    writeFileSync(path, text, { mode: 0o600, flag: 'wx' })
    written.push(path)
  }
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    write(files.masterKey, `${generateMasterKey().reveal()}\n`)
    write(files.adminKey, `${generateMasterKey().reveal()}\n`)
    write(files.settings, settingsText(folder, files))
    return files
  } catch (cause) {
    for (const path of written) rmSync(path, { force: true })
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unwritable'
    const why = code === 'EEXIST' ? 'one of its files is there already and is never overwritten' : code
    throw new InvalidRequestError(`cannot begin in ${folder}: ${why}`)
  }
}

function settingsText(folder: string, files: StartFiles): string {
  return `# Settings of Tenantry; every other one has a default (docs/configuration.md).
TENANTRY_REGISTRY_URL="file:${join(folder, 'registry.yaml')}"
# Opens the passwords of tenants: for every process that serves them.
TENANTRY_MASTER_KEY_FILE="${files.masterKey}"
# Opens the passwords of servers' admins: only for processes that make tenants.
TENANTRY_ADMIN_KEY_FILE="${files.adminKey}"
# Connections to all database servers together.
TENANTRY_MAX_CONNECTIONS=100
`
}
