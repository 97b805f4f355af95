import type { Connection } from '../../connection/connection.ts'
import { LeaseReleasedError } from '../../errors.ts'
import { type ConnectionSource, Gate, type HeldConnection } from './connection-source.ts'

/** Hands a source on to one handle, until that handle ends; the source and its other handles go on. */
export class EndableSource implements ConnectionSource {
  readonly #source: ConnectionSource
  readonly #quiet = new Gate()
  /** What the server of the last connection reports of its settings. */
  parameters: Readonly<Record<string, string>> = {}
  #out = 0
  #hasEnded = false

  constructor(source: ConnectionSource) {
    this.#source = source
  }

  /** @throws {LeaseReleasedError} after `end()`, and what the source throws. */
  async hold(signal?: AbortSignal): Promise<HeldConnection> {
    if (this.#hasEnded) throw new LeaseReleasedError('a statement was issued on a handle that has ended')
    this.#out++
    try {
      const held = await this.#source.hold(signal)
      this.parameters = held.connection.parameters
      return new CountedHold(held, () => this.#giveBack())
    } catch (error) {
      this.#giveBack()
      throw error
    }
  }

  /** Refuses new holds. Settles when those that are out, or wait, have been released. */
  end(): Promise<void> {
    this.#hasEnded = true
    if (this.#out === 0) this.#quiet.open()
    return this.#quiet.opened
  }

  #giveBack(): void {
    this.#out--
    if (this.#hasEnded && this.#out === 0) this.#quiet.open()
  }
}

class CountedHold implements HeldConnection {
  readonly connection: Connection
  readonly guard: (() => void) | undefined
  readonly maxBytes: number | undefined
  readonly #held: HeldConnection
  #giveBack: (() => void) | undefined

  constructor(held: HeldConnection, giveBack: () => void) {
    this.connection = held.connection
    this.guard = held.guard
    this.maxBytes = held.maxBytes
    this.#held = held
    this.#giveBack = giveBack
  }

  get isRevoked(): boolean {
    return this.#held.isRevoked
  }

  get revokedBy(): Error | undefined {
    return this.#held.revokedBy
  }

  release(): void {
    this.#held.release()
    this.#giveBack?.()
    this.#giveBack = undefined
  }
}
