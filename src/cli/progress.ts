import type { CommandLine } from './command-line.ts'

/** Milliseconds between two drawings at least: a terminal far away is slow. */
const DRAW_EVERY_MS = 50
/** Elsewhere than on a terminal a line is told at each of so many parts. */
const PARTS = 10
const BAR_WIDTH = 30

/**
 * How far a verb is: one line at the foot of a terminal that is drawn anew, plain lines on standard error elsewhere. Lines
 * told meanwhile go through `above`. Gone from the terminal when disposed of.
 */
export class Progress implements Disposable {
  readonly #cli: CommandLine
  readonly #what: string
  #drawn = ''
  #drawnAt = 0
  #part = 0

  /** @param what goes on, in a word or two. */
  constructor(cli: CommandLine, what: string) {
    this.#cli = cli
    this.#what = what
  }

  /** @param total undefined while nobody knows it. */
  show(done: number, total: number | undefined): void {
    const { terminal } = this.#cli
    if (terminal === undefined) return this.#tell(done, total)
    const at = Date.now()
    if (at - this.#drawnAt < DRAW_EVERY_MS && done !== total) return
    this.#drawnAt = at
    // One column stays free: a full line would wrap and could not be drawn over.
    this.#draw(barOf(this.#what, done, total).slice(0, Math.max(10, terminal.columns - 1)))
  }

  /** Tells lines while the bar is there: it makes room for them. */
  above(tell: () => void): void {
    const drawn = this.#drawn
    this.#draw('')
    tell()
    this.#draw(drawn)
  }

  [Symbol.dispose](): void {
    this.#draw('')
  }

  #draw(text: string): void {
    if (text === this.#drawn) return
    this.#cli.terminal?.draw(text)
    this.#drawn = text
  }

  #tell(done: number, total: number | undefined): void {
    if (total === undefined || total < PARTS) return
    const part = Math.floor((done / total) * PARTS)
    if (part <= this.#part) return
    this.#part = part
    this.#cli.note(`${this.#what}: ${done} of ${total}`)
  }
}

function barOf(what: string, done: number, total: number | undefined): string {
  if (total === undefined) return `${what}  ${done}`
  const share = total === 0 ? 1 : Math.min(1, done / total)
  const full = Math.floor(share * BAR_WIDTH)
  const bar = '='.repeat(full) + (full < BAR_WIDTH ? '>' : '') + ' '.repeat(Math.max(0, BAR_WIDTH - full - 1))
  return `${what}  [${bar}] ${done} of ${total}, ${Math.floor(share * 100)} %`
}
