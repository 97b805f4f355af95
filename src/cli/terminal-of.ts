import type { EnvironmentVariables } from '../config.ts'
import type { Terminal } from './command-line.ts'

const START_OF_LINE = '\r'
const ERASE_LINE = '\u001b[2K'

interface Output {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

/** Undefined where nobody sees what is drawn, or the terminal cannot draw over a line. */
export function terminalOf(output: Output, { TERM, CI }: EnvironmentVariables): Terminal | undefined {
  if (output.isTTY !== true || TERM === 'dumb' || CI !== undefined) return undefined
  return {
    get columns() {
      return output.columns ?? 80
    },
    draw: (text) => void output.write(`${START_OF_LINE}${ERASE_LINE}${text}`),
  }
}
