import type { Connection } from '../../connection/connection.ts'

/** Where a handle gets its connections from: the router, a lease, or a transaction. */
export interface ConnectionSource {
  /** One connection for one statement, one transaction, or one reservation. Aborted, it rejects and takes none.
   * It forgets the signal when it settles: signals are used again. */
  hold(signal?: AbortSignal): Promise<HeldConnection>
}

/** The sole right to a connection until `release()`, which may be called again. */
export interface HeldConnection extends HoldTerms {
  readonly connection: Connection
  /** The owner decides what to clean. */
  release(): void
}

export interface HoldTerms {
  /** The owner wants it back: what runs may end, nothing more may start. */
  readonly isRevoked: boolean
  /** Why, where the owner says it: what is refused for it says the same. */
  readonly revokedBy?: Error | undefined
  /** Asked before each use. @throws {TenantMismatchError} in the context of a tenant that it is nothing to. */
  readonly guard?: (() => void) | undefined
  /** The cap of one answer on the socket. */
  readonly maxBytes?: number | undefined
}

/** A promise that `open()` fulfils. */
export class Gate {
  readonly opened: Promise<void>
  open = (): void => {}

  constructor() {
    this.opened = new Promise((resolve) => {
      this.open = resolve
    })
  }
}
