import type { Trust } from '../../connection/connection.ts'
import type { Room } from '../pool/room.ts'
import type { Slot } from '../pool/slot.ts'
import type { TenantPool } from '../pool/tenant-pool.ts'
import { BatchShare } from './batch-share.ts'
import type { AcquireRequest, Waiter } from './waiter.ts'

/** What a lease counts while it is out: taken in `begin`, given back in `end`, nowhere else. */
export class Lending {
  readonly #batch: BatchShare

  constructor(room: Room) {
    this.#batch = new BatchShare(room)
  }

  /** Whether the request's class has room: batch leases have a share of their own. */
  mayServe(pool: TenantPool, request: AcquireRequest): boolean {
    return request.class === 'interactive' || this.#batch.hasRoom(pool)
  }

  /** Who is next, of those whose class has room: a batch lease must not keep interactive ones behind it waiting. */
  firstServable(pool: TenantPool, trust: Trust): Waiter | undefined {
    return pool.waiters.find(({ request }) => request.trust === trust && this.mayServe(pool, request))
  }

  /** For whom a connection is to be opened. */
  firstForOpening(pool: TenantPool, trust: Trust): Waiter | undefined {
    return this.#interactiveFirst(pool, trust, ({ onlyIfWarm }) => !onlyIfWarm)
  }

  /** Who gets a connection that was opened: not a batch lease before the interactive one that it was opened for. */
  firstOfOpened(pool: TenantPool, trust: Trust): Waiter | undefined {
    return this.#interactiveFirst(pool, trust, () => true)
  }

  /** Interactive leases come before batch ones, for whom less is done. */
  #interactiveFirst(
    pool: TenantPool,
    trust: Trust,
    isMeant: (request: AcquireRequest) => boolean,
  ): Waiter | undefined {
    let batch: Waiter | undefined
    for (const waiter of pool.waiters) {
      const { request, isNested } = waiter
      if (request.trust !== trust || !isMeant(request) || !this.mayServe(pool, request)) continue
      if (isNested || request.class === 'interactive') return waiter
      batch ??= waiter
    }
    return batch
  }

  /** The connection used last that fits the request. It is leased from here. */
  takeIdle(pool: TenantPool, request: AcquireRequest): Slot | undefined {
    return this.mayServe(pool, request) ? pool.takeIdle(request.trust) : undefined
  }

  begin(slot: Slot, request: AcquireRequest): Slot {
    const { pool } = slot
    slot.lentTo = request
    request.context?.leaseBegan()
    if (request.class === 'batch') this.#batch.take(pool)
    slot.become('leased')
    slot.leasedAt = performance.now()
    pool.noteUse(slot.leasedAt, request.class === 'interactive')
    return slot
  }

  /** Safe to call again. @returns whether a place in the batch share came free, which others may wait for. */
  end(slot: Slot): boolean {
    const request = slot.lentTo
    slot.lentTo = undefined
    slot.revoke = undefined
    slot.lost = undefined
    request?.context?.leaseEnded()
    if (request?.class === 'interactive') slot.pool.wantedAt = performance.now()
    if (request?.class !== 'batch') return false
    this.#batch.giveBack(slot.pool)
    return true
  }
}
