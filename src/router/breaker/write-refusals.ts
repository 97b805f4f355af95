import type { Connection } from '../../connection/connection.ts'
import type { TenantId } from '../../tenant/tenant-id.ts'

/** Where a tenant is read-only for good, a refused write costs it its connections so often at most. */
const AGAIN_MS = 3_000

/**
 * Notices that writes are refused (25006) by a server that was a primary: its connections lead to what is a
 * standby now, or hold a default from a time when writes were switched off. New ones find the present primary.
 */
export class WriteRefusals {
  readonly #now: () => number
  /** When a tenant's connections were last replaced for it; the longest ago first. */
  readonly #recycledAt = new Map<TenantId, number>()

  /** @param now monotonic milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /**
   * Whether the tenant's connections are to be replaced. True at most once in `AGAIN_MS` for one tenant.
   * @param connection one that is clean: what its last user chose for himself is gone from it.
   */
  isRecyclingDue(tenant: TenantId, connection: Pick<Connection, 'hasRefusedWrite' | 'parameters'>): boolean {
    if (!connection.hasRefusedWrite || !isReadOnly(connection.parameters)) return false
    const now = this.#now()
    for (const [id, at] of this.#recycledAt) {
      if (now - at < AGAIN_MS) break
      this.#recycledAt.delete(id)
    }
    if (this.#recycledAt.has(tenant)) return false
    this.#recycledAt.set(tenant, now)
    return true
  }
}

/** Whether every transaction is read-only there, and not only one that a user began so. Postgres reports both changes. */
export function isReadOnly(parameters: Connection['parameters']): boolean {
  return parameters.in_hot_standby === 'on' || parameters.default_transaction_read_only === 'on'
}
