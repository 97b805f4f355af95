import type { Connection, Trust } from '../../connection/connection.ts'
import { InternalError } from '../../errors.ts'
import type { CloseReason } from '../events.ts'
import type { AcquireRequest } from '../scheduling/waiter.ts'
import type { Permit } from './budget.ts'
import type { SlotState } from './census.ts'
import type { TenantPool } from './tenant-pool.ts'

/** One permit in use by a pool, from before its socket opens until the server has let go of the backend. */
export class Slot {
  readonly pool: TenantPool
  readonly permit: Permit
  /** A connection serves one trust class for its life. */
  readonly trust: Trust
  #state: SlotState = 'opening'
  #connection: Connection | undefined
  /** Whose lease it is, from the lease's begin until it has been counted back. */
  lentTo: AcquireRequest | undefined
  /** Tells its lease that the connection has gone; set by the lease while it is out. */
  lost: (() => void) | undefined
  /** Takes the connection away from its lease; set by the lease while it is out. */
  revoke: ((reason: CloseReason, error: Error) => void) | undefined
  /** Monotonic milliseconds. */
  idleSince = 0
  leasedAt = 0
  expiresAt = Number.POSITIVE_INFINITY
  /** The first reason stays. */
  closeReason: CloseReason | undefined

  constructor(pool: TenantPool, permit: Permit, trust: Trust) {
    this.pool = pool
    this.permit = permit
    this.trust = trust
  }

  get state(): SlotState {
    return this.#state
  }

  /** The one place where a slot that its pool has changes its state: it is counted where it is counted. */
  become(state: SlotState): void {
    const from = this.#state
    this.#state = state
    if (state === 'quarantined') this.permit.socketClosed()
    if (from !== state && this.pool.slots.has(this)) this.pool.moved(from, state)
  }

  /** Where its permit goes back, and nowhere else. @returns false when it had gone already. */
  letGo(): boolean {
    if (!this.pool.remove(this)) return false
    this.permit.release()
    return true
  }

  /** Whether it is neither on its way out nor gone from us. */
  get isLive(): boolean {
    return this.#state !== 'closing' && this.#state !== 'quarantined'
  }

  get connection(): Connection {
    if (!this.#connection) throw new InternalError('a slot that is still opening has no connection')
    return this.#connection
  }

  /** Why it is to be replaced once nobody has it. */
  wornOut(maxStatements: number): 'lifetime' | 'statements' | undefined {
    if (performance.now() >= this.expiresAt) return 'lifetime'
    return this.connection.preparedStatements >= maxStatements ? 'statements' : undefined
  }

  opened(connection: Connection, expiresAt: number): void {
    this.#connection = connection
    this.expiresAt = expiresAt
  }
}
