import type { Slot } from '../pool/slot.ts'
import type { TenantPool } from '../pool/tenant-pool.ts'

export interface VictimRules {
  /** Only pools for which this holds are looked at: those in the scope that is full. */
  readonly inScope: (pool: TenantPool) => boolean
  /** Pools used after this instant (monotonic milliseconds) are left alone. */
  readonly usedBefore: number
}

/**
 * The idle connection whose closing costs least: the longest idle surplus connection of any pool, else the
 * only connection of the pool with the lowest priority. Undefined when nothing idle is in reach.
 * A leased connection is never a candidate: only idle ones are looked at.
 */
export function chooseVictim(pools: Iterable<TenantPool>, rules: VictimRules): Slot | undefined {
  let surplus: Slot | undefined
  let last: Slot | undefined
  for (const pool of pools) {
    const coldest = pool.idleSlots[0]
    if (!coldest || !rules.inScope(pool) || pool.lastUsedAt > rules.usedBefore) continue
    if (pool.slots.size > 1) {
      if (!surplus || coldest.idleSince < surplus.idleSince) surplus = coldest
    } else if (!last || pool.priority < last.pool.priority) {
      last = coldest
    }
  }
  return surplus ?? last
}

/** The pool to end when there are too many: lowest priority of those with nothing out. */
export function chooseVictimPool(pools: Iterable<TenantPool>, usedBefore: number): TenantPool | undefined {
  let victim: TenantPool | undefined
  for (const pool of pools) {
    const allIdle = pool.slots.size > 0 && pool.idleSlots.length === pool.slots.size
    if (!allIdle || pool.waiters.length > 0 || pool.lastUsedAt > usedBefore) continue
    if (!victim || pool.priority < victim.priority) victim = pool
  }
  return victim
}
