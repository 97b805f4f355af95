import type { Connection, Trust } from '../../connection/connection.ts'
import { InternalError } from '../../errors.ts'
import type { CloseReason } from '../events.ts'
import type { LeaseContext } from '../scheduling/lease-context.ts'
import type { Permit } from './budget.ts'
import type { TenantPool } from './tenant-pool.ts'

/**
 * opening → idle ⇄ leased; leased → cleaning → idle; from anywhere → closing → (quarantined) → gone.
 * `quarantined`: the socket is gone, the backend may not be.
 */
export type SlotState = 'opening' | 'idle' | 'leased' | 'cleaning' | 'closing' | 'quarantined'

/** One permit in use by a pool, from before its socket opens until the server has let go of the backend. */
export class Slot {
  readonly pool: TenantPool
  readonly permit: Permit
  /** A connection serves one trust class for its life. */
  readonly trust: Trust
  state: SlotState = 'opening'
  #connection: Connection | undefined
  /** The scoped use that has it on lease. */
  context: LeaseContext | undefined
  /** Undoes what the lease counted; set while leased. */
  endLease: (() => void) | undefined
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

  get connection(): Connection {
    if (!this.#connection) throw new InternalError('a slot that is still opening has no connection')
    return this.#connection
  }

  /** Why it is to be replaced once it is idle. */
  wornOut(maxStatements: number): 'lifetime' | 'statements' | undefined {
    if (performance.now() >= this.expiresAt) return 'lifetime'
    return this.connection.preparedStatements >= maxStatements ? 'statements' : undefined
  }

  opened(connection: Connection, expiresAt: number): void {
    this.#connection = connection
    this.expiresAt = expiresAt
  }
}
