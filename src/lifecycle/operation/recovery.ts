import { RegistryUnavailableError, RevisionConflictError } from '../../errors.ts'
import { everyEntry } from '../../registry/every-entry.ts'
import type { Entry } from '../../registry/registry.ts'
import type { LifecycleParts } from '../parts.ts'
import { PeriodicLook } from '../periodic-look.ts'
import { holdMs, isHeld } from './operation-hold.ts'
import { resumeOperation } from './resume-operation.ts'

const LOOK_EVERY_MS = 8_000
/** What cannot be gone on with as it is, is told of again after this long. */
const RETRY_AFTER_MS = 300_000
const ACTOR = 'recovery'

export interface RecoveryListener {
  /** An operation of a process that is gone was gone on with; `error` where it could not be, or failed again. */
  recovered(operation: string, kind: string, error: unknown): void
  /** The registry could not be asked which there are; it is asked again. */
  lookFailed(error: unknown): void
  /** Does the work, so that a shutdown waits for it; refuses it once one has begun. */
  run(work: () => Promise<void>): Promise<void>
}

/** What was last heard of an operation, and when by the clock of this process. */
interface Heard {
  readonly revision: number
  readonly sinceMs: number
  /** When it could not be gone on with. */
  refusedAtMs?: number
}

/**
 * Goes on with operations whose process is gone: those of which it has heard nothing for as long as an operation is held.
 * Those of one tenant go one after another; none of them waits for one of many tenants, which may take hours. Where several
 * replicas do so, the first to say so in the registry has it. One that failed waits for an operator.
 */
export class Recovery implements Disposable {
  readonly #parts: LifecycleParts
  readonly #listener: RecoveryListener
  readonly #look: PeriodicLook
  #heard = new Map<string, Heard>()
  /** Of many tenants, that this process goes on with. */
  readonly #aside = new Set<string>()

  constructor(parts: LifecycleParts, listener: RecoveryListener, lookEveryMs = LOOK_EVERY_MS) {
    this.#parts = parts
    this.#listener = listener
    const look = () => listener.run(() => this.#resumeAll())
    this.#look = new PeriodicLook(look, (error) => listener.lookFailed(error), lookEveryMs)
    this.#look.now()
  }

  /** Begins nothing new. What it is at is the listener's to wait for. */
  [Symbol.dispose](): void {
    this.#look[Symbol.dispose]()
  }

  async #resumeAll(): Promise<void> {
    const silent: Entry<'operation'>[] = []
    const heard = new Map<string, Heard>()
    for await (const entry of everyEntry(this.#parts.registry, 'operation', { state: 'running' })) {
      const last = this.#heardOf(entry)
      heard.set(entry.id, last)
      if (!isHeld(entry.record) && this.#isSilent(last)) silent.push(entry)
    }
    this.#heard = heard
    for (const entry of silent) {
      if (this.#look.isClosed) return
      if (entry.record.tenant === null) this.#resumeAside(entry)
      else await this.#resume(entry)
    }
  }

  #resumeAside(entry: Entry<'operation'>): void {
    if (this.#aside.has(entry.id)) return
    this.#aside.add(entry.id)
    void this.#listener
      .run(() => this.#resume(entry))
      .catch(() => undefined) // a shutdown has begun
      .finally(() => this.#aside.delete(entry.id))
  }

  #heardOf({ id, revision }: Entry<'operation'>): Heard {
    const last = this.#heard.get(id)
    return last?.revision === revision ? last : { revision, sinceMs: performance.now() }
  }

  /** What a record says of its holder is by the holder's clock, which may be behind this one. */
  #isSilent({ sinceMs, refusedAtMs = Number.NEGATIVE_INFINITY }: Heard): boolean {
    const now = performance.now()
    if (now - refusedAtMs < RETRY_AFTER_MS) return false
    return this.#parts.isAlone === true || now - sinceMs >= holdMs(this.#parts)
  }

  async #resume({ id, record, revision }: Entry<'operation'>): Promise<void> {
    try {
      // While others were gone on with, somebody may have come to it.
      const present = await this.#parts.registry.find('operation', id)
      if (present?.revision !== revision) return
      const { result } = await resumeOperation(this.#parts, id, ACTOR)
      await result
      this.#listener.recovered(id, record.kind, undefined)
    } catch (error) {
      const last = this.#heard.get(id)
      // Not refused, but to be looked at again: the registry was away, or another was faster.
      const isPassing = error instanceof RegistryUnavailableError || error instanceof RevisionConflictError
      if (last && !isPassing) last.refusedAtMs = performance.now()
      this.#listener.recovered(id, record.kind, error)
    }
  }
}
