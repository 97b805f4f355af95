import { RevisionConflictError } from '../../../errors.ts'
import type { Entry } from '../../../registry/registry.ts'
import type { LifecycleParts } from '../../parts.ts'
import { PeriodicLook } from '../../periodic-look.ts'
import { allServers } from '../../server/server-view.ts'
import { refillSpares } from './make-spares.ts'

const LOOK_EVERY_MS = 2_000
const ACTOR = 'spares'

export interface SpareListener {
  /** Some were made or dropped; `error` where that failed. */
  refilled(server: string, error: unknown): void
  /** The registry could not be asked; it is asked again. */
  lookFailed(error: unknown): void
  /** Does the work, so that a shutdown waits for it; refuses it once one has begun. */
  run(work: () => Promise<void>): Promise<void>
}

/**
 * Makes new spare databases where tenants took some, one server after another, until it is disposed of. Where several
 * replicas do so, the first to say so in the registry has it.
 */
export class SpareKeeper implements Disposable {
  readonly #parts: LifecycleParts
  readonly #listener: SpareListener
  readonly #look: PeriodicLook

  constructor(parts: LifecycleParts, listener: SpareListener, lookEveryMs = LOOK_EVERY_MS) {
    this.#parts = parts
    this.#listener = listener
    const failed = (error: unknown) => listener.lookFailed(error)
    this.#look = new PeriodicLook(() => this.#refillAll(), failed, lookEveryMs)
  }

  /** Ends after the database that it is at; that is the listener's to wait for. */
  [Symbol.dispose](): void {
    this.#look[Symbol.dispose]()
  }

  async #refillAll(): Promise<void> {
    for (const server of await allServers(this.#parts.registry)) {
      if (this.#look.isClosed) return
      if (server.record.spares !== undefined) await this.#listener.run(() => this.#refill(server))
    }
  }

  async #refill(server: Entry<'server'>): Promise<void> {
    try {
      const begun = await refillSpares(this.#parts, server, ACTOR, () => this.#look.isClosed)
      if (begun === undefined) return
      await begun.result
      this.#listener.refilled(server.id, undefined)
    } catch (error) {
      if (error instanceof RevisionConflictError) return // another replica was faster
      this.#listener.refilled(server.id, error)
    }
  }
}
