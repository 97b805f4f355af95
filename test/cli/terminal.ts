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
  #draw: ((text: string) => void) | undefined
  #answer: ((question: string) => string | undefined) | undefined

  constructor(variables: Record<string, string> = {}) {
    this.#variables = variables
  }

  /** Somebody sits at it from now on, and answers so. */
  answering(answer: (question: string) => string | undefined): void {
    this.#answer = answer
  }

  /** Its standard error is a terminal from now on, on which so is drawn. */
  drawing(draw: (text: string) => void): void {
    this.#draw = draw
  }

  async run(args: readonly string[], input = ''): Promise<Ran> {
    const out: string[] = []
    const err: string[] = []
    const cli: CommandLine = {
      variables: this.#variables,
      print: (line) => out.push(line),
      note: (line) => err.push(line),
      readInput: async () => input,
      terminal: this.#draw && { columns: 80, draw: this.#draw },
      ask: this.#answer && (async (question) => this.#answer?.(question)),
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
