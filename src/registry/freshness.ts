import type { ResolvedDirectoryOptions } from './directory-options.ts'
import { type Held, knownUntil } from './record-cache.ts'
import type { Entry } from './registry.ts'

/** Judges how far what is held can still be trusted. All times are `performance.now()`: a clock that is set changes nothing. */
export class Freshness {
  readonly #options: ResolvedDirectoryOptions
  readonly #heardAt: () => number

  /** @param heardAt until when all changes are known. */
  constructor(options: ResolvedDirectoryOptions, heardAt: () => number) {
    this.#options = options
    this.#heardAt = heardAt
  }

  /** It is the truth: no change of it was heard, and the registry is not silent. */
  isFresh(held: Held): boolean {
    const now = performance.now()
    if (held.isStale || now - this.knownUntil(held) > this.#options.silenceMs) return false
    return held.entry !== undefined || now - held.checkedAt <= this.#options.absenceMs
  }

  /** What may be answered while the registry cannot be asked. */
  servable(held: Held | undefined): Entry | undefined {
    if (held?.entry === undefined) return undefined
    const age = performance.now() - this.knownUntil(held)
    return isRefusal(held.entry) || age <= this.#options.staleMaxMs ? held.entry : undefined
  }

  /** Until when it is known to have been true. */
  knownUntil(held: Held): number {
    return knownUntil(held, this.#heardAt())
  }
}

/** Older answers that refuse are safe to repeat for ever; those that admit are not. */
function isRefusal({ record }: Entry): boolean {
  if ('revokedAt' in record) return record.revokedAt !== null
  return 'status' in record && ['suspended', 'deleting', 'deleted'].includes(record.status)
}
