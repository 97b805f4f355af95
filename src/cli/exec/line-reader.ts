import { StringDecoder } from 'node:string_decoder'

/** Characters of a line; what is longer is told in parts. */
const MAX_LENGTH = 16_384

/** Cuts what a program writes into lines. */
export class LineReader {
  readonly #decoder = new StringDecoder('utf8')
  readonly #tell: (line: string) => void
  #begun = ''

  constructor(tell: (line: string) => void) {
    this.#tell = tell
  }

  add(chunk: Buffer): void {
    const lines = (this.#begun + this.#decoder.write(chunk)).split(/\r?\n/)
    this.#begun = lines.pop() ?? ''
    for (const line of lines) this.#tell(line)
    while (this.#begun.length > MAX_LENGTH) {
      this.#tell(this.#begun.slice(0, MAX_LENGTH))
      this.#begun = this.#begun.slice(MAX_LENGTH)
    }
  }

  /** Tells what is left. */
  end(): void {
    const rest = this.#begun + this.#decoder.end()
    this.#begun = ''
    if (rest !== '') this.#tell(rest)
  }
}
