import { RisingHeap } from './rising-heap.ts'
import type { Slot } from './slot.ts'
import type { TenantPool } from './tenant-pool.ts'

const isIdle = (pool: TenantPool) => pool.coldest !== undefined
const hasSurplus = (pool: TenantPool) => pool.surplus !== undefined

/**
 * Which idle connection of one server would be missed least.
 * Invariant: every pool with an idle connection is in `#least` and `#unwanted`, every pool with a surplus one in
 * `#surplus`; a pool that is not may be in them still, and leaves when it is come upon.
 */
export class IdleRanking {
  readonly #surplus = new RisingHeap<TenantPool>((pool) => pool.coldest?.idleSince ?? 0)
  readonly #least = new RisingHeap<TenantPool>((pool) => pool.priority)
  readonly #unwanted = new RisingHeap<TenantPool>((pool) => pool.wantedAt)

  /** To be called whenever a pool has come to have something idle, or another connection beside it. */
  note(pool: TenantPool): void {
    if (!isIdle(pool)) return
    this.#least.add(pool)
    this.#unwanted.add(pool)
    if (pool.census.live > 1) this.#surplus.add(pool)
  }

  forget(pool: TenantPool): void {
    this.#least.remove(pool)
    this.#unwanted.remove(pool)
    this.#surplus.remove(pool)
  }

  /** The surplus connection that is idle for longest. */
  get surplus(): Slot | undefined {
    return this.#surplus.lowest(hasSurplus)?.surplus
  }

  /** The pool used least, by recency and frequency, of those with an idle connection. */
  least(willDo?: (pool: TenantPool) => boolean): TenantPool | undefined {
    return this.#least.lowest(isIdle, willDo)
  }

  /** The pool that nobody has wanted for longest, batch leases not counted, of those with an idle connection. */
  unwanted(willDo?: (pool: TenantPool) => boolean): TenantPool | undefined {
    return this.#unwanted.lowest(isIdle, willDo)
  }
}
