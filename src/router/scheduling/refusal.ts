import { AcquireTimeoutError, NestedLeaseError } from '../../errors.ts'
import type { Room } from '../pool/room.ts'
import type { TenantPool } from '../pool/tenant-pool.ts'
import { isDeadlocked } from './nesting.ts'

/** Says which limit kept the caller waiting. */
export function acquireTimeout(room: Room, pool: TenantPool, timeoutMs: number): AcquireTimeoutError {
  const bound = room.fullBound(pool)
  const why = bound
    ? `the ${bound} limit of ${room.limit(bound, pool)} is reached`
    : 'none was opened or came back in time'
  return new AcquireTimeoutError(`no connection for ${pool.id} within ${timeoutMs} ms: ${why}`, bound)
}

/** Whether the pool's waiters wait for what others hold, rather than for an opening of their own. */
export function isBlocked(room: Room, pool: TenantPool): boolean {
  return room.fullBound(pool) !== undefined && pool.census.of('opening') === 0
}

/** The error for a caller that would wait for others who wait themselves; undefined when somebody can make room. */
export function deadlock(room: Room, pool: TenantPool): NestedLeaseError | undefined {
  const bound = room.fullBound(pool)
  if (bound === undefined || !isDeadlocked(room.slotsIn(bound, pool))) return undefined
  const holders = new Set([...room.slotsIn(bound, pool)].map((slot) => slot.pool.id))
  return new NestedLeaseError(
    `a lease of ${pool.id} inside a lease of ${[...holders].join(', ')}: all that the ${bound} limit allows is held by callers that wait themselves`,
  )
}
