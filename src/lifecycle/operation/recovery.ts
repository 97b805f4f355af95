import type { Entry } from '../../registry/registry.ts'
import type { LifecycleParts } from '../parts.ts'
import { isHeld } from './operation-hold.ts'
import { resumeOperation } from './resume-operation.ts'

const LOOK_EVERY_MS = 30_000
const ACTOR = 'recovery'

export interface RecoveryListener {
  /** An operation of a process that is gone was gone on with; `error` where it could not be, or failed again. */
  recovered(operation: string, kind: string, error: unknown): void
  /** The registry could not be asked which there are; it is asked again. */
  lookFailed(error: unknown): void
  /** Does the work, so that a shutdown waits for it; refuses it once one has begun. */
  run(work: () => Promise<void>): Promise<void>
}

/**
 * Goes on with operations whose process is gone: at once, and again every half minute, one after another. Where several
 * replicas do so, the first to say so in the registry has it. One that failed waits for an operator.
 */
export class Recovery implements Disposable {
  readonly #parts: LifecycleParts
  readonly #listener: RecoveryListener
  readonly #timer: NodeJS.Timeout
  #isLooking = false
  #isClosed = false

  constructor(parts: LifecycleParts, listener: RecoveryListener, lookEveryMs = LOOK_EVERY_MS) {
    this.#parts = parts
    this.#listener = listener
    this.#timer = setInterval(() => this.#look(), lookEveryMs)
    this.#look()
  }

  /** Begins nothing new. What it is at is the listener's to wait for. */
  [Symbol.dispose](): void {
    this.#isClosed = true
    clearInterval(this.#timer)
  }

  #look(): void {
    if (this.#isLooking) return
    this.#isLooking = true
    this.#listener
      .run(() => this.#resumeAll())
      .catch((error: unknown) => this.#listener.lookFailed(error))
      .finally(() => {
        this.#isLooking = false
      })
  }

  async #resumeAll(): Promise<void> {
    for (let cursor: string | undefined; ; ) {
      const page = await this.#parts.registry.list('operation', cursor, { state: 'running', limit: 1000 })
      for (const entry of page.entries) {
        if (this.#isClosed) return
        if (!isHeld(entry.record)) await this.#resume(entry)
      }
      if (page.next === undefined) return
      cursor = page.next
    }
  }

  async #resume({ id, record }: Entry<'operation'>): Promise<void> {
    try {
      const { result } = await resumeOperation(this.#parts, id, ACTOR)
      await result
      this.#listener.recovered(id, record.kind, undefined)
    } catch (error) {
      this.#listener.recovered(id, record.kind, error)
    }
  }
}
