/** After this long, whether the server has more room is tried again: at the price of one refused attempt. */
const HOLDS_MS = 3_000

/**
 * What servers showed to have room for, when they refused a connection that the budget would have allowed:
 * others have taken their places. Until it is tried again we stay within that, and make room among our own.
 */
export class FoundLimits {
  readonly #now: () => number
  readonly #limits = new Map<string, { readonly limit: number; readonly until: number }>()

  /** @param now monotonic milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /** @param served connections of ours that the server had when it refused a further one. */
  note(server: string, served: number): void {
    this.#limits.set(server, { limit: Math.max(1, served), until: this.#now() + HOLDS_MS })
  }

  of(server: string): number {
    const found = this.#limits.get(server)
    if (!found) return Number.POSITIVE_INFINITY
    if (this.#now() < found.until) return found.limit
    this.#limits.delete(server)
    return Number.POSITIVE_INFINITY
  }

  /** Milliseconds until whether it has more room is tried again; without end where nothing was found. */
  liftsInMs(server: string): number {
    const found = this.#limits.get(server)
    return found ? found.until - this.#now() : Number.POSITIVE_INFINITY
  }
}
