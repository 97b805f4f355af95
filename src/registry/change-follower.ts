import type { ChangeBatch, Registry } from './registry.ts'
import { Wakeup } from './wakeup.ts'

const RETRY_MS = 1_000

/** Follows a registry's changes from construction until `close()`, whatever goes wrong in between. */
export class ChangeFollower {
  readonly #registry: Registry
  readonly #onBatch: (batch: ChangeBatch) => void
  readonly #onFault: (fault: unknown) => void
  readonly #stopped = new AbortController()
  readonly #running: Promise<void>
  #heardAt: number | undefined

  /** @param onBatch is called before `heardAt` moves. Neither it nor `onFault` may throw. */
  constructor(registry: Registry, onBatch: (batch: ChangeBatch) => void, onFault: (fault: unknown) => void) {
    this.#registry = registry
    this.#onBatch = onBatch
    this.#onFault = onFault
    this.#running = this.#run()
  }

  /** When the registry last spoke (`performance.now()`): all changes until then are known. */
  get heardAt(): number | undefined {
    return this.#heardAt
  }

  close(): Promise<void> {
    this.#stopped.abort()
    return this.#running
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopped
    let position: string | undefined
    while (!signal.aborted) {
      try {
        for await (const batch of this.#registry.changes(position, signal)) {
          this.#onBatch(batch)
          this.#heardAt = performance.now()
          position = batch.position
        }
      } catch (fault) {
        this.#onFault(fault)
      }
      // Backends end only when told to; one that is closed under us must not make this loop spin.
      await new Wakeup().wait(RETRY_MS * (0.5 + Math.random() / 2), signal)
    }
  }
}
