import type { TenantRecord } from '../../tenant/tenant-record.ts'
import type { FailureClass } from './failure-class.ts'

/** A tenant whose route leads nowhere tries again so often, at most. */
const AGAIN_MS = 1_000
/** A tenant at its own connection limit tries again after so long, then twice as long, up to the last. */
const FULL_FIRST_MS = 50
const FULL_MAX_MS = 1_000
/** What the next attempt would fail with, too, for all that is known. */
const HOPELESS: ReadonlySet<FailureClass> = new Set(['auth', 'tenant', 'unasked'])
/** Attempts in a row that its server did not answer, before a tenant is held back for that. */
const UNANSWERED = 2

/**
 * Whether a tenant's route is worth a login attempt. After a refused login it is not, for a second, or until the
 * record changes: a wrong password must neither lock the role out nor load its server.
 * Invariant: while held back, no attempt begins by the record that failed.
 */
export class TenantBreaker {
  readonly #now: () => number
  #version = ''
  #until = Number.NEGATIVE_INFINITY
  #error: Error | undefined
  #unanswered = 0
  #full = 0

  /** @param now monotonic milliseconds. */
  constructor(now: () => number) {
    this.#now = now
  }

  /** What the last attempt by this record failed with, while nobody tries again. */
  refusal(record: TenantRecord): Error | undefined {
    return this.#now() < this.#until && this.#version === versionOf(record) ? this.#error : undefined
  }

  /** Milliseconds for which nobody tries again by this record. */
  heldForMs(record: TenantRecord): number {
    return this.#version === versionOf(record) ? Math.max(0, this.#until - this.#now()) : 0
  }

  /** @returns whether the tenant is held back from now on. */
  failed(failure: FailureClass, error: Error, record: TenantRecord): boolean {
    if (failure === 'unanswered') {
      if (++this.#unanswered < UNANSWERED) return false
    } else if (!HOPELESS.has(failure)) return false
    this.#version = versionOf(record)
    this.#error = error
    this.#until = this.#now() + AGAIN_MS
    return true
  }

  /** It is at its own limit of connections. @returns milliseconds until it is worth trying again. */
  full(): number {
    return Math.min(FULL_FIRST_MS * 2 ** this.#full++, FULL_MAX_MS) * (1 + Math.random() * 0.2)
  }
}

/** Another one after each change of the record; the same when it was only read again. */
function versionOf({ generation, epoch, updatedAt }: TenantRecord): string {
  return `${generation}.${epoch}.${updatedAt}`
}
