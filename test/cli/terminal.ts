import type { CommandLine } from '../../src/cli/command-line.ts'
import { type ExitCode, runCommandLine } from '../../src/cli/program.ts'

export interface Ran {
  readonly code: ExitCode
  readonly out: string
  readonly err: string
}

/** Runs command lines as a shell would, and remembers all they ever said. */
export class Terminal {
  readonly #variables: Record<string, string>
  #said = ''

  constructor(variables: Record<string, string> = {}) {
    this.#variables = variables
  }

  async run(args: readonly string[], input = ''): Promise<Ran> {
    const out: string[] = []
    const err: string[] = []
    const cli: CommandLine = {
      variables: this.#variables,
      print: (line) => out.push(line),
      note: (line) => err.push(line),
      readInput: async () => input,
    }
    const code = await runCommandLine(cli, args)
    const ran = { code, out: out.join('\n'), err: err.join('\n') }
    this.#said += `${ran.out}\n${ran.err}\n`
    return ran
  }

  get said(): string {
    return this.#said
  }
}
