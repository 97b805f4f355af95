import { setTimeout as sleep } from 'node:timers/promises'
import { SqlError } from '../errors.ts'
import type { TenantId } from '../tenant/tenant-id.ts'
import type { Slot } from './pool/slot.ts'
import type { TenantPool } from './pool/tenant-pool.ts'

/** A cancelled statement has this long to end: SQL can catch a cancel, and go on. */
const END_MS = 2_000
/** A cancel that reaches the server before its statement does nothing, so it is sent again. */
const AGAIN_MS = 50

/** What became of the statements of a tenant, and of leases that ran none. */
export interface StatementsCancelled {
  /** They have ended. */
  readonly cancelled: number
  /** They were cancelled, and had not ended two seconds later. */
  readonly goingOn: number
  /** They ran for less than was asked for, and were left alone. */
  readonly younger: number
  /** Leases without a statement, as within a transaction, which were left alone. */
  readonly idle: number
}

/** What Postgres says to whoever's statement somebody else has cancelled. */
function cancelled(): SqlError {
  return new SqlError({
    severity: 'ERROR',
    code: '57014',
    message: 'canceling statement due to user request',
    detail: 'An operator cancelled it.',
  })
}

/**
 * Cancels every statement that runs on the tenant's leases now and has been running for `longerThanMs` at least; leases
 * and transactions stay. Whose server does not answer a cancel loses its connection. Never rejects.
 */
export async function cancelStatements(
  pools: Iterable<TenantPool>,
  tenant: TenantId,
  longerThanMs: number,
): Promise<StatementsCancelled> {
  const own = [...pools].filter(({ id }) => id === tenant) // of older epochs too
  const leased = own.flatMap((pool) => [...pool.slots]).filter(({ state }) => state === 'leased')
  const running = leased.filter((slot) => slot.connection.busySince !== undefined)
  const now = performance.now()
  const old = running.filter(({ connection }) => now - (connection.busySince ?? now) >= longerThanMs)
  const ended = await Promise.all(old.map(cancelRunning))
  return {
    cancelled: ended.filter(Boolean).length,
    goingOn: ended.filter((hasEnded) => !hasEnded).length,
    younger: running.length - old.length,
    idle: leased.length - running.length,
  }
}

/** The one that runs now and no later one. @returns whether it has ended. */
async function cancelRunning({ connection }: Slot): Promise<boolean> {
  const since = connection.busySince
  const runs = () => connection.isOpen && connection.busySince === since
  const until = performance.now() + END_MS
  const reason = cancelled()
  while (runs() && performance.now() < until) {
    await connection.cancel(reason)
    if (runs()) await sleep(AGAIN_MS)
  }
  return !runs()
}
