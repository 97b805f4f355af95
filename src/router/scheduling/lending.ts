import type { Trust } from '../../connection/connection.ts'
import type { Room } from '../pool/room.ts'
import type { Slot } from '../pool/slot.ts'
import type { TenantPool } from '../pool/tenant-pool.ts'
import { BatchShare } from './batch-share.ts'
import type { AcquireRequest, Waiter } from './waiter.ts'

/** What a lease counts while it is out, taken and given back in one place. */
export class Lending {
  readonly #room: Room
  readonly #batch: BatchShare

  constructor(room: Room, processLimit: number) {
    this.#room = room
    this.#batch = new BatchShare(processLimit)
  }

  /** Whether the request's class has room: batch leases have a share of their own. */
  mayServe(pool: TenantPool, request: AcquireRequest): boolean {
    return (
      request.class === 'interactive' || this.#batch.hasRoom(pool.server.id, this.#room.serverLimit(pool))
    )
  }

  /** Who is next, of those whose class has room: a batch lease must not keep interactive ones behind it waiting. */
  firstServable(pool: TenantPool, trust?: Trust): Waiter | undefined {
    const fits = ({ request }: Waiter) => trust === undefined || request.trust === trust
    return pool.waiters.find((waiter) => fits(waiter) && this.mayServe(pool, waiter.request))
  }

  /** The connection used last that fits the request. It is leased from here. */
  takeIdle(pool: TenantPool, request: AcquireRequest): Slot | undefined {
    return this.mayServe(pool, request) ? pool.takeIdle(request.trust) : undefined
  }

  begin(slot: Slot, request: AcquireRequest): Slot {
    const endContext = request.context?.holdLease()
    const endBatch = request.class === 'batch' ? this.#batch.take(slot.pool.server.id) : undefined
    slot.state = 'leased'
    slot.leasedAt = performance.now()
    slot.context = request.context
    slot.endLease = () => {
      endContext?.()
      endBatch?.()
    }
    slot.pool.noteUse(slot.leasedAt)
    return slot
  }

  /** Safe to call again. */
  end(slot: Slot): void {
    slot.endLease?.()
    slot.endLease = undefined
    slot.revoke = undefined
    slot.lost = undefined
    slot.context = undefined
  }
}
