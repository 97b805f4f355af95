import type { EnvironmentVariables } from '../config.ts'
import { untilStopped } from './until-stopped.ts'

/** A terminal that is drawn on as a whole, beside what was there before. */
export interface Screen {
  readonly rows: number
  readonly columns: number
  enter(): void
  /** Lines without control characters, none longer than the screen is wide. */
  draw(lines: readonly string[]): void
  /** What was there before is there again. */
  leave(): void
  /** Resolves when whoever sits there has had enough. */
  stopped(): Promise<unknown>
}

interface Output {
  readonly isTTY?: boolean
  readonly rows?: number
  readonly columns?: number
  write(text: string): unknown
}

const ESCAPE = '\u001b['
/** The other of a terminal's two screens, and no cursor on it. */
const ENTER = `${ESCAPE}?1049h${ESCAPE}?25l`
const LEAVE = `${ESCAPE}?25h${ESCAPE}?1049l`
const HOME = `${ESCAPE}H`
const ERASE_LINE_END = `${ESCAPE}K`
const ERASE_BELOW = `${ESCAPE}J`

/** Undefined where nobody looks, or the terminal cannot be drawn on. */
export function screenOf(output: Output, { TERM }: EnvironmentVariables): Screen | undefined {
  if (output.isTTY !== true || TERM === 'dumb') return undefined
  return {
    get rows() {
      return output.rows ?? 24
    },
    get columns() {
      return output.columns ?? 80
    },
    enter: () => void output.write(ENTER),
    draw: (lines) =>
      void output.write(`${HOME}${lines.map((line) => `${line}${ERASE_LINE_END}\n`).join('')}${ERASE_BELOW}`),
    leave: () => void output.write(LEAVE),
    stopped: untilStopped,
  }
}
