import { CancelledError } from '../../errors.ts'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
/** One Ctrl-C may come twice, as npm sends on what its child got from the terminal too. */
const REPEAT_MS = 1_000

/**
 * Hears the signals to stop, until it is disposed of, and passes them to the programs that run. A second one that is
 * no repeat of the first kills them.
 */
export class StopSignals implements Disposable {
  readonly #running = new Set<(signal: NodeJS.Signals) => void>()
  readonly #onSignal = (signal: NodeJS.Signals) => this.#stop(signal)
  #first: { readonly signal: NodeJS.Signals; readonly at: number } | undefined

  constructor() {
    for (const signal of SIGNALS) process.on(signal, this.#onSignal)
  }

  /** @throws {CancelledError} after a signal. */
  refuseStopped(): void {
    if (this.#first !== undefined) throw new CancelledError(`stopped by ${this.#first.signal}`)
  }

  /** @param pass is called with each signal, until what is returned is disposed of. */
  forward(pass: (signal: NodeJS.Signals) => void): Disposable {
    this.#running.add(pass)
    return { [Symbol.dispose]: () => void this.#running.delete(pass) }
  }

  [Symbol.dispose](): void {
    for (const signal of SIGNALS) process.removeListener(signal, this.#onSignal)
  }

  #stop(signal: NodeJS.Signals): void {
    this.#first ??= { signal, at: performance.now() }
    const isSecond = performance.now() - this.#first.at > REPEAT_MS
    for (const pass of this.#running) pass(isSecond ? 'SIGKILL' : signal)
  }
}
