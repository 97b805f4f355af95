import { AsyncLocalStorage } from 'node:async_hooks'

/**
 * One scoped use of the router (`withTenant`, `transaction`) and the ones it runs in. Its leases stay out
 * while it waits for a further one: two such contexts can wait for each other for ever, unless that is seen.
 */
export class LeaseContext {
  readonly #parent: LeaseContext | undefined
  /** What it waits for, itself and in the contexts inside it: whether each is held by others. */
  readonly #waits = new Set<() => boolean>()
  #held = 0

  constructor(parent: LeaseContext | undefined) {
    this.#parent = parent
  }

  /** Whether this context, or one inside it, waits for what others hold. */
  get isBlocked(): boolean {
    for (const isBlocked of this.#waits) if (isBlocked()) return true
    return false
  }

  /** Whether this context, or one around it, has a lease out. */
  get holdsLease(): boolean {
    for (const context of this.#chain()) if (context.#held > 0) return true
    return false
  }

  leaseBegan(): void {
    this.#held++
  }

  leaseEnded(): void {
    this.#held--
  }

  /** Marks this context and all around it as waiting, until the returned function is called. */
  startWaiting(isBlocked: () => boolean): () => void {
    const marked = [...this.#chain()]
    for (const context of marked) context.#waits.add(isBlocked)
    return () => {
      for (const context of marked) context.#waits.delete(isBlocked)
    }
  }

  *#chain(): Iterable<LeaseContext> {
    yield this
    if (this.#parent) yield* this.#parent.#chain()
  }
}

const storage = new AsyncLocalStorage<LeaseContext>()

export function currentLeaseContext(): LeaseContext | undefined {
  return storage.getStore()
}

/** Runs `work` in a context of its own, inside the present one. */
export function inLeaseContext<T>(work: () => T): T {
  return storage.run(new LeaseContext(storage.getStore()), work)
}
