import type { AnswerMeter } from '../connection/connection.ts'
import { AnswersFullError } from '../errors.ts'
import type { TenantId } from '../tenant/tenant-id.ts'

/**
 * What the answers of this process hold in memory, from the database's socket until their clients have taken
 * it. One answer has a cap of its own; this bounds their sum, and gives one tenant half of it at most.
 */
export class HeldBytes {
  readonly #maxBytes: number
  #bytes = 0
  readonly #byTenant = new Map<TenantId, number>()

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Whoever asked disposes of it when its answer has gone. */
  open(tenant: TenantId): HeldAnswer {
    return new HeldAnswer((change) => this.#change(tenant, change))
  }

  /** Nothing is taken where it does not fit. */
  #change(tenant: TenantId, change: number): Error | undefined {
    const own = (this.#byTenant.get(tenant) ?? 0) + change
    const all = this.#bytes + change
    if (change > 0 && (all > this.#maxBytes || own > this.#maxBytes / 2))
      return new AnswersFullError(`answers of tenant ${tenant} hold ${own} bytes, of all tenants ${all}`)
    this.#bytes = all
    if (own === 0) this.#byTenant.delete(tenant)
    else this.#byTenant.set(tenant, own)
    return undefined
  }
}

/** One answer's part of them. */
export class HeldAnswer implements AnswerMeter, Disposable {
  readonly #change: (change: number) => Error | undefined
  #bytes = 0
  #isOver = false

  constructor(change: (change: number) => Error | undefined) {
    this.#change = change
  }

  count(bytes: number): Error | undefined {
    if (this.#isOver) return undefined // of a statement that nobody waits for
    const full = this.#change(bytes)
    if (!full) this.#bytes += bytes
    return full
  }

  /** What came has been written out, or given away: from here it holds so many bytes, or as many as before. */
  shrinkTo(bytes: number): void {
    if (bytes >= this.#bytes) return
    this.#change(bytes - this.#bytes)
    this.#bytes = bytes
  }

  [Symbol.dispose](): void {
    this.#isOver = true
    this.shrinkTo(0)
  }
}
