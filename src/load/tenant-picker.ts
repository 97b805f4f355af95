/**
 * Picks positions 0 … count-1, the one at `i` with a weight of 1 / (i + 1)^exponent (Zipf), or all alike where
 * the exponent is 0. The same seed gives the same sequence.
 */
export class TenantPicker {
  /** Rising to 1: the share of all picks that fall on a position or one before it. */
  readonly #cumulative: Float64Array
  #state: number

  constructor(count: number, exponent: number, seed: number) {
    this.#cumulative = new Float64Array(count)
    let sum = 0
    for (let i = 0; i < count; i++) {
      sum += 1 / (i + 1) ** exponent
      this.#cumulative[i] = sum
    }
    for (let i = 0; i < count; i++) this.#cumulative[i] = (this.#cumulative[i] ?? 0) / sum
    this.#state = seed >>> 0
  }

  next(): number {
    const point = this.#random()
    let low = 0
    let high = this.#cumulative.length - 1
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#cumulative[middle] ?? 1) > point) high = middle
      else low = middle + 1
    }
    return low
  }

  /** From 0 to under 1. SplitMix32: small, seedable, and even enough to choose tenants by; not for secrets. */
  #random(): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad)
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97)
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 0x1_0000_0000
  }
}
