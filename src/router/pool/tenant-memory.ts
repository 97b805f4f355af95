/** Milliseconds after which a past use counts half when tenants are compared. */
const HALF_LIFE_MS = 30_000
/** A tenant tries to open a connection again this long after one failed, then twice as long, up to the second. */
const FAILED_FIRST_MS = 50
const FAILED_MAX_MS = 1_000
/** A connection that its server ended younger than this died young. */
const YOUNG_MS = 1_000
/** A tenant in trouble opens a connection this often at most, whoever asks: 5 a second. */
const TROUBLED_EVERY_MS = 200

/** What is known of a tenant whether it has a connection or not. Times are monotonic milliseconds. */
export class TenantMemory {
  #priority = 0
  #openNotBefore = 0
  #openedAt = Number.NEGATIVE_INFINITY
  /** Openings that failed since the last that did not. */
  #failures = 0

  /**
   * Rises with every use and fades with time; the pool with the lowest is the best victim. Uses fade by half
   * in `HALF_LIFE_MS`, so a tenant that a sweep touched once ranks below one that is used all the time.
   * Kept as a logarithm that moves with the clock: it only rises, and comparing two needs no present time.
   */
  get priority(): number {
    return this.#priority
  }

  /** No connection is opened before. */
  get openNotBefore(): number {
    return this.#openNotBefore
  }

  noteUse(now: number): void {
    const present = now / HALF_LIFE_MS
    this.#priority = present + Math.log2(1 + 2 ** (this.#priority - present))
  }

  noteOpening(now: number): void {
    this.#openedAt = now
  }

  noteOpened(): void {
    this.#failures = 0
  }

  /** @param retryInMs after which the next may be tried, where that is known; else ever longer. */
  noteFailure(now: number, retryInMs: number | undefined): void {
    const waitMs = retryInMs ?? Math.min(FAILED_FIRST_MS * 2 ** this.#failures++, FAILED_MAX_MS)
    this.#openNotBefore = now + waitMs
  }

  /** A connection of `ageMs` has ended by itself. */
  noteDeath(ageMs: number): void {
    if (ageMs < YOUNG_MS)
      this.#openNotBefore = Math.max(this.#openNotBefore, this.#openedAt + TROUBLED_EVERY_MS)
  }

  /** Nobody waits any more, and whoever comes next need not wait for as long as the last had come to. */
  relent(now: number): void {
    this.#openNotBefore = Math.min(this.#openNotBefore, Math.max(now, this.#openedAt + TROUBLED_EVERY_MS))
  }

  /** The tenant has another route, which has done nothing wrong. */
  forgive(): void {
    this.#openNotBefore = 0
    this.#failures = 0
  }
}
