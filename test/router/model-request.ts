import type { Trust } from '../../src/connection/connection.ts'
import type { Slot } from '../../src/router/pool/slot.ts'
import { LeaseContext } from '../../src/router/scheduling/lease-context.ts'

export interface Ask {
  readonly tenant: string
  readonly trust: Trust
  readonly class: 'interactive' | 'batch'
  readonly onlyIfWarm: boolean
}

/** One caller of the model, as a scoped use of its own: so it hears of its lease in the turn in which it is given. */
export class ModelRequest extends LeaseContext {
  readonly ask: Ask
  readonly order: number
  readonly arrivedAt = performance.now()
  /** It asks while it, or who it asks for, holds a lease. */
  readonly isNested: boolean
  readonly aborter = new AbortController()
  state: 'waiting' | 'leased' | 'ended' = 'waiting'
  /** Known a little later than the lease. */
  slot: Slot | undefined
  readonly #onBegan: () => void

  constructor(ask: Ask, order: number, onBegan: () => void, outer: ModelRequest | undefined) {
    super(outer)
    this.ask = ask
    this.order = order
    this.isNested = this.holdsLease
    this.#onBegan = onBegan
  }

  override leaseBegan(): void {
    super.leaseBegan()
    this.state = 'leased'
    this.#onBegan()
  }

  override leaseEnded(): void {
    super.leaseEnded()
    this.state = 'ended'
  }

  /** Whether both ask for the same connections. */
  isAlike({ ask }: ModelRequest): boolean {
    return ask.tenant === this.ask.tenant && ask.trust === this.ask.trust && ask.class === this.ask.class
  }
}
