import type { Connection } from '../../connection/connection.ts'
import { CancelledError, LeaseReleasedError, NestedLeaseError } from '../../errors.ts'
import { type ConnectionSource, Gate, type HeldConnection, type HoldTerms } from './connection-source.ts'
import { isHeldAround } from './enclosure.ts'

interface Waiter {
  take(): void
  refuse(error: Error): void
}

/**
 * One connection for many statements: each has it alone, first come, first served. The owner keeps the
 * connection, and cleans and closes it. States: open, closed; in both it may be held.
 */
export class ExclusiveSource implements ConnectionSource {
  readonly #connection: Connection
  /** Where the connection is itself held from a source: that may revoke it. */
  readonly #terms: HoldTerms
  readonly #waiters = new Set<Waiter>()
  readonly #quiet = new Gate()
  #isHeld = false
  #hasClosed = false
  /** What later holds are refused with, where the owner said it. */
  #reason: Error | undefined

  constructor(connection: Connection, terms: HoldTerms = { isRevoked: false }) {
    this.#connection = connection
    this.#terms = terms
  }

  get isHeld(): boolean {
    return this.#isHeld
  }

  get isRevoked(): boolean {
    return this.#hasClosed || this.#terms.isRevoked
  }

  get revokedBy(): Error | undefined {
    return this.#reason ?? this.#terms.revokedBy
  }

  get maxBytes(): number | undefined {
    return this.#terms.maxBytes
  }

  get guard(): (() => void) | undefined {
    return this.#terms.guard
  }

  /** @throws {LeaseReleasedError} or what `close` was given; {TenantMismatchError | NestedLeaseError | CancelledError} */
  async hold(signal?: AbortSignal): Promise<HeldConnection> {
    this.guard?.()
    if (this.isRevoked) throw this.#refusal()
    if (!this.#isHeld) return this.#take()
    if (isHeldAround(this)) {
      const use = 'use the handle that the transaction body was given'
      throw new NestedLeaseError(`this transaction already holds the only connection: ${use}`)
    }
    return this.#turn(signal)
  }

  /** Refuses new holds, and those that wait, with `reason`. Settles when the present one has been released. */
  close(reason?: Error): Promise<void> {
    this.#hasClosed = true
    this.#reason ??= reason
    this.#refuseWaiters()
    if (!this.#isHeld) this.#quiet.open()
    return this.#quiet.opened
  }

  #turn(signal: AbortSignal | undefined): Promise<HeldConnection> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiters.delete(waiter)
        signal?.removeEventListener('abort', onAbort)
      }
      const waiter: Waiter = {
        take: () => {
          leave()
          resolve(this.#take())
        },
        refuse: (error) => {
          leave()
          reject(error)
        },
      }
      const onAbort = () => waiter.refuse(new CancelledError('cancelled while waiting for the connection'))
      if (signal?.aborted) return onAbort()
      signal?.addEventListener('abort', onAbort)
      this.#waiters.add(waiter)
    })
  }

  #take(): HeldConnection {
    this.#isHeld = true
    return new Hold(this.#connection, this, () => this.#giveBack())
  }

  #giveBack(): void {
    this.#isHeld = false
    if (this.isRevoked) this.#refuseWaiters()
    const [next] = this.#waiters
    if (next) next.take()
    else if (this.#hasClosed) this.#quiet.open()
  }

  #refuseWaiters(): void {
    for (const waiter of this.#waiters) waiter.refuse(this.#refusal())
  }

  #refusal(): Error {
    return (
      this.revokedBy ?? new LeaseReleasedError('a statement came after its connection had been given back')
    )
  }
}

class Hold implements HeldConnection {
  readonly connection: Connection
  readonly #source: ExclusiveSource
  #giveBack: (() => void) | undefined

  constructor(connection: Connection, source: ExclusiveSource, giveBack: () => void) {
    this.connection = connection
    this.#source = source
    this.#giveBack = giveBack
  }

  get isRevoked(): boolean {
    return this.#source.isRevoked
  }

  get revokedBy(): Error | undefined {
    return this.#source.revokedBy
  }

  get maxBytes(): number | undefined {
    return this.#source.maxBytes
  }

  get guard(): (() => void) | undefined {
    return this.#source.guard
  }

  release(): void {
    const giveBack = this.#giveBack
    this.#giveBack = undefined
    giveBack?.()
  }
}
