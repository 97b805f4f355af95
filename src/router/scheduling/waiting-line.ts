import type { Trust } from '../../connection/connection.ts'
import { TooManyWaitersError } from '../../errors.ts'
import type { TenantPool } from '../pool/tenant-pool.ts'
import type { Waiter } from './waiter.ts'

/** All who wait, in the queues of their pools. Invariant: `size` is the sum of those queues. */
export class WaitingLine {
  readonly #pools = new Set<TenantPool>()
  readonly #onEmpty: (pool: TenantPool) => void
  #size = 0

  /** @param onEmpty called when the last waiter of a pool has left. */
  constructor(onEmpty: (pool: TenantPool) => void) {
    this.#onEmpty = onEmpty
  }

  get size(): number {
    return this.#size
  }

  /** Pools with waiters, in no order. */
  get pools(): ReadonlySet<TenantPool> {
    return this.#pools
  }

  /**
   * Where the line is at its bound, the last of the longest queue leaves it, so that one tenant cannot take
   * all places.
   * @throws {TooManyWaitersError} where the longest queue is the newcomer's own.
   */
  makeWay(newcomer: TenantPool, max: number): void {
    if (this.#size < max) return
    const error = new TooManyWaitersError(`${this.#size} callers wait already (maxWaiters)`)
    const longest = this.#longest()
    const last = longest?.waiters.at(-1)
    if (!longest || !last || longest.waiters.length <= newcomer.waiters.length + 1) throw error
    this.leave(longest, last)
    last.reject(error)
  }

  join(pool: TenantPool, waiter: Waiter): void {
    const { server, process } = pool.scopes
    waiter.passesBefore = { server: server.passes, process: process.passes, tenant: pool.passes }
    pool.enqueue(waiter)
    this.#count(pool, 1)
  }

  /** Does nothing for one who has left already. */
  leave(pool: TenantPool, waiter: Waiter): void {
    if (!pool.dequeue(waiter)) return
    this.#count(pool, -1)
    if (pool.waiters.length === 0) this.#onEmpty(pool)
  }

  /** Moves all waiters of one pool to another, in their order. How often each was passed goes with it. */
  move(from: TenantPool, to: TenantPool): void {
    const { server, process } = from.scopes
    for (const waiter of from.waiters.slice()) {
      const before = waiter.passesBefore
      this.leave(from, waiter)
      this.join(to, waiter)
      waiter.passesBefore.server -= server.passes - before.server
      waiter.passesBefore.process -= process.passes - before.process
      waiter.passesBefore.tenant -= from.passes - before.tenant
    }
  }

  /** Ends the wait of all in a pool, or of those of one trust class. */
  refuse(pool: TenantPool, error: Error, trust?: Trust): void {
    this.#refuse(pool, error, ({ request }) => trust === undefined || request.trust === trust)
  }

  /** The same for those for whom nothing is opened. */
  refuseCold(pool: TenantPool, error: Error, trust?: Trust): void {
    const isMeant = ({ request }: Waiter) => trust === undefined || request.trust === trust
    this.#refuse(pool, error, (waiter) => waiter.request.onlyIfWarm && isMeant(waiter))
  }

  #refuse(pool: TenantPool, error: Error, isMeant: (waiter: Waiter) => boolean): void {
    for (const waiter of pool.waiters.filter(isMeant)) {
      this.leave(pool, waiter)
      waiter.reject(error)
    }
  }

  #count(pool: TenantPool, by: 1 | -1): void {
    this.#size += by
    if (pool.waiters.length > 0) this.#pools.add(pool)
    else this.#pools.delete(pool)
  }

  #longest(): TenantPool | undefined {
    let longest: TenantPool | undefined
    for (const pool of this.#pools) {
      if (!longest || pool.waiters.length > longest.waiters.length) longest = pool
    }
    return longest
  }
}
