import { LRUCache } from 'lru-cache'
import type { Quota } from './rate.ts'
import { SlidingWindow } from './sliding-window.ts'
import type { Count } from './standing.ts'

/** Tenants that are counted here at once; of one that is forgotten the count begins anew. */
const MAX_TENANTS = 50_000

/** What one process may let in of a tenant. Null: as much as is asked for. */
export interface Share {
  readonly rate: Quota | null
  readonly concurrency: number | null
}

/** Requests of one tenant in this process, whoever let them in. */
export class Tally {
  #window: SlidingWindow | undefined
  #active = 0

  /** Lets a request in, which `leave` must be called for, or says why not. @param now ms, of a clock that only goes forward. */
  enter(share: Share, now: number): Count {
    const { rate, concurrency } = share
    if (concurrency !== null && this.#active >= concurrency) {
      const looked = this.look(share, now)
      return looked.result === 'allowed' ? { ...looked, result: 'concurrency_limited' } : looked
    }
    const taken = rate === null ? undefined : this.#windowFor(rate).take(rate, now)
    if (taken?.isTaken === false) return { ...this.#count(share, taken), result: 'rate_limited' }
    this.#active++
    return { ...this.#count(share, taken), result: 'allowed' }
  }

  /** What `enter` would say, were it not for those under way. */
  look(share: Share, now: number): Count {
    const { rate } = share
    const seen = rate === null ? undefined : this.#windowFor(rate).look(rate, now)
    return {
      ...this.#count(share, seen),
      result: seen?.isTaken === false ? 'rate_limited' : 'allowed',
    }
  }

  /** Another one let it in; `leave` must be called for it, too. */
  note({ rate }: Share, now: number): void {
    if (rate !== null) this.#windowFor(rate).note(now)
    this.#active++
  }

  leave(): void {
    this.#active--
  }

  #windowFor({ windowMs }: Quota): SlidingWindow {
    if (this.#window?.windowMs !== windowMs) this.#window = new SlidingWindow(windowMs)
    return this.#window
  }

  #count(
    { concurrency }: Share,
    window: { readonly remaining: number; readonly resetMs: number } | undefined,
  ) {
    return {
      remaining: window?.remaining ?? null,
      resetMs: window?.resetMs ?? 0,
      active: concurrency === null ? null : this.#active,
    }
  }
}

/** The tallies of the tenants that this process heard of last. */
export class Tallies {
  readonly #tallies = new LRUCache<string, Tally>({ max: MAX_TENANTS })

  of(name: string): Tally {
    let tally = this.#tallies.get(name)
    if (tally === undefined) {
      tally = new Tally()
      this.#tallies.set(name, tally)
    }
    return tally
  }
}
