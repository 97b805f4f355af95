import type { Command } from 'commander'
import { z } from 'zod'
import type { EnvironmentVariables } from '../config.ts'
import { plainLine } from './plain-text.ts'
import type { Screen } from './screen.ts'

/** What every verb has at hand; tests hand in their own. */
export interface CommandLine {
  readonly variables: EnvironmentVariables
  /** A line of the answer. */
  print(line: string): void
  /** A line about the answer: hints, warnings, errors. */
  note(line: string): void
  readInput(): Promise<string>
  /** What somebody at a terminal answers, in a line; absent where nobody sits there. */
  readonly ask?: ((question: string) => Promise<string | undefined>) | undefined
  /** Where standard error is a terminal. */
  readonly terminal?: Terminal | undefined
  /** Where standard output is a terminal. */
  readonly screen?: Screen | undefined
}

export interface Terminal {
  readonly columns: number
  /** Puts the text, one line without control characters, in the place of what was drawn before. */
  draw(text: string): void
}

const Globals = z.object({
  json: z.boolean().default(false),
  registry: z.string().optional(),
  envFile: z.string().optional(),
})
export type Globals = z.output<typeof Globals>

/** What every verb on a registry takes. */
export function registryOptions(command: Command): Command {
  return command
    .option('--registry <url>', 'postgres://…, consul://… or file:PATH (default: TENANTRY_REGISTRY_URL)')
    .option('--env-file <path>', 'a file of settings, for those that the environment does not give')
    .option('--json', 'answer in JSON')
}

export function globalsOf(command: Command): Globals {
  return Globals.parse(command.opts())
}

/** The verb's answer: as JSON where it was asked for, else in lines. */
export function answer(cli: CommandLine, command: Command, value: unknown, lines: readonly string[]): void {
  if (globalsOf(command).json) cli.print(JSON.stringify(value, null, 2))
  else for (const line of lines) cli.print(plainLine(line))
}

/** Option values that may be given several times. */
export function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value]
}
