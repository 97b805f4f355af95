/**
 * opening → idle ⇄ leased; leased → cleaning → idle; from anywhere → closing → (quarantined) → gone.
 * `quarantined`: the socket is gone, the backend may not be.
 */
export type SlotState = 'opening' | 'idle' | 'leased' | 'cleaning' | 'closing' | 'quarantined'

/**
 * How many slots are in which state: of one pool, of one server, or of the process.
 * Invariant: `out` is the sum of all states: the permits out of what it counts, for the process with those that
 * only a server keeps (`quarantined`).
 */
export class Census {
  readonly #counts: Record<SlotState, number> = {
    opening: 0,
    idle: 0,
    leased: 0,
    cleaning: 0,
    closing: 0,
    quarantined: 0,
  }
  #out = 0

  /** @param from undefined when the slot begins; @param to undefined when it has gone. */
  move(from: SlotState | undefined, to: SlotState | undefined): void {
    if (from === undefined) this.#out++
    else this.#counts[from]--
    if (to === undefined) this.#out--
    else this.#counts[to]++
  }

  of(state: SlotState): number {
    return this.#counts[state]
  }

  get out(): number {
    return this.#out
  }

  /** Those that serve, or will: neither on their way out nor gone from us. */
  get live(): number {
    return this.#out - this.#counts.closing - this.#counts.quarantined
  }
}
