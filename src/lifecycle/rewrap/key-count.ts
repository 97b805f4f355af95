import { SealingFailedError } from '../../errors.ts'
import type { Sealer } from '../../registry/sealing.ts'
import type { Reseal } from './resealed.ts'

const NAMED = 10

/** Where the sealed values of a registry stand with the keys of this process. */
export interface KeyView {
  /** Of the key that new values are sealed under. */
  readonly active: string
  readonly values: number
  /** How many are under another key, by its name. When there are none, that key is not needed any more. */
  readonly older: Readonly<Record<string, number>>
  /** The first of those that do not open: their key is not here, or they were changed. */
  readonly unreadable: readonly string[]
}

/** Seals values again under the active key of a sealer, and counts them. */
export class KeyCount {
  readonly #sealer: Sealer
  readonly #older = new Map<string, number>()
  readonly #unreadable: string[] = []
  #values = 0

  constructor(sealer: Sealer) {
    this.#sealer = sealer
  }

  readonly reseal: Reseal = (sealed, binding) => {
    this.#values += 1
    if (sealed.kid === this.#sealer.activeKid) return sealed
    this.#older.set(sealed.kid, (this.#older.get(sealed.kid) ?? 0) + 1)
    try {
      return this.#sealer.rewrap(sealed, binding)
    } catch (error) {
      if (!(error instanceof SealingFailedError)) throw error
      if (this.#unreadable.length < NAMED) this.#unreadable.push(`${binding.field} of ${binding.subject}`)
      return sealed
    }
  }

  get older(): number {
    return [...this.#older.values()].reduce((sum, count) => sum + count, 0)
  }

  get view(): KeyView {
    return {
      active: this.#sealer.activeKid,
      values: this.#values,
      older: Object.fromEntries(this.#older),
      unreadable: [...this.#unreadable],
    }
  }
}
