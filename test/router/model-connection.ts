import type { Connection, Residue, StatementResult, Trust } from '../../src/connection/connection.ts'
import { InternalError } from '../../src/errors.ts'

/**
 * A backend in memory that implements the port as far as the scheduler uses it. When it closes, and whether it
 * can be cleaned, is decided by the test: that is what the model is about.
 */
export class ModelConnection implements Connection {
  readonly pid: number
  readonly openedAt = performance.now()
  readonly transaction = 'idle'
  readonly residue: Residue = 'none'
  readonly hasRefusedWrite = false
  readonly parameters = {}
  preparedStatements = 0
  readonly closed: Promise<void>
  /** The socket is to close: `finishClosing` does it. */
  isClosing = false
  isUncleanable = false
  mayLiveOn = false
  isBusy = false
  #isOpen = true
  readonly #onClosed: () => void
  readonly #goodbyes: (() => void)[] = []
  /** Why we ended it; undefined where the server did, or nobody. */
  endedByUs: 'close' | 'destroy' | undefined

  /** @param gone called when the socket has closed, before anyone else hears of it. */
  constructor(pid: number, gone: (connection: ModelConnection) => void) {
    this.pid = pid
    const { promise, resolve } = withResolvers()
    this.closed = promise
    this.#onClosed = () => {
      gone(this)
      resolve()
    }
  }

  get isOpen(): boolean {
    return this.#isOpen && !this.isClosing
  }

  /** The socket is there, whatever else. */
  get hasSocket(): boolean {
    return this.#isOpen
  }

  run(): Promise<StatementResult> {
    return Promise.reject(new InternalError('the model runs no statements'))
  }

  async cancel(): Promise<void> {}

  async clean(_trust: Trust): Promise<void> {
    if (this.isUncleanable) throw new InternalError('this one cannot be cleaned')
  }

  close(): Promise<void> {
    this.endedByUs ??= 'close'
    this.isClosing = true
    return new Promise((resolve) => this.#goodbyes.push(resolve))
  }

  destroy(): void {
    this.endedByUs ??= 'destroy'
    this.mayLiveOn = true
    this.finishClosing()
  }

  fallSilent(): void {
    this.mayLiveOn = true
    this.finishClosing()
  }

  finishClosing(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#onClosed()
    for (const say of this.#goodbyes) say()
  }
}

function withResolvers() {
  let resolve: () => void = () => {}
  const promise = new Promise<void>((yes) => {
    resolve = yes
  })
  return { promise, resolve }
}
