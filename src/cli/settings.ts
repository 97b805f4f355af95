import { readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'
import { type EnvironmentVariables, readSettings, type Settings } from '../config.ts'
import { InvalidRequestError } from '../errors.ts'
import type { CommandLine, Globals } from './command-line.ts'

/** The environment, with what `--env-file` and `--registry` say. The environment wins over the file, a flag over both. */
export function variablesFor(cli: CommandLine, globals: Omit<Globals, 'json'>): EnvironmentVariables {
  const fromFile = globals.envFile === undefined ? {} : parseEnv(readTextFile(globals.envFile))
  const fromFlag =
    globals.registry === undefined
      ? {}
      : { TENANTRY_REGISTRY_URL: globals.registry, TENANTRY_REGISTRY_URL_FILE: undefined }
  return { ...fromFile, ...cli.variables, ...fromFlag }
}

export function settingsFor(cli: CommandLine, globals: Globals): Settings {
  if (globals.registry !== undefined) warnOfPassword(cli, '--registry', globals.registry)
  return readSettings(variablesFor(cli, globals))
}

/** Whoever may list the machine's processes reads what stands on a command line. */
export function warnOfPassword(cli: CommandLine, option: string, url: string): void {
  if (/:\/\/[^/]*:[^/]*@|[?&]password=/.test(url)) {
    cli.note(`warning: ${option} holds a password, which others on this machine can see while this runs`)
  }
}

/** @throws {InvalidRequestError} naming the file and why it cannot be read. */
export function readTextFile(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unreadable'
    throw new InvalidRequestError(`cannot read ${path}: ${code}`)
  }
}
