import type { Room } from '../pool/room.ts'
import type { TenantPool } from '../pool/tenant-pool.ts'

/** Part of every budget that batch leases may have out together. */
const SHARE = 0.2

/**
 * Counts batch leases, which sweeps and jobs over many tenants take: together never more than their share
 * of the process's, of each server's and of each tenant's budget, rounded, at least 1.
 */
export class BatchShare {
  readonly #room: Room
  #process = 0
  readonly #servers = new Map<string, number>()

  constructor(room: Room) {
    this.#room = room
  }

  hasRoom(pool: TenantPool): boolean {
    const onServer = this.#servers.get(pool.server.id) ?? 0
    return (
      this.#process < share(this.#room.limit('process', pool)) &&
      onServer < share(this.#room.limit('server', pool)) &&
      pool.batchOut < share(this.#room.limit('tenant', pool))
    )
  }

  take(pool: TenantPool): void {
    this.#count(pool, 1)
  }

  giveBack(pool: TenantPool): void {
    this.#count(pool, -1)
  }

  #count(pool: TenantPool, by: 1 | -1): void {
    this.#process += by
    pool.batchOut += by
    const next = (this.#servers.get(pool.server.id) ?? 0) + by
    if (next === 0) this.#servers.delete(pool.server.id)
    else this.#servers.set(pool.server.id, next)
  }
}

function share(limit: number): number {
  return Math.max(1, Math.round(limit * SHARE))
}
