import type { Sql, TransactionSql } from '../connection/sql.ts'
import { retried } from './retried.ts'
import { beginMode, type TransactionOptions } from './transaction-options.ts'

export interface TransactionTerms extends TransactionOptions {
  /** Milliseconds for all attempts. */
  readonly leaseTimeoutMs: number
  readonly signal?: AbortSignal
}

/**
 * Runs `work` between BEGIN and COMMIT, and again as `retry` says.
 * @param onLease runs what it is given on a lease of at most so many milliseconds, a new one each time.
 */
export function runTransaction<T>(
  { leaseTimeoutMs: withinMs, retry = 0, signal, ...options }: TransactionTerms,
  work: (sql: TransactionSql) => T | Promise<T>,
  onLease: (run: (sql: Sql) => Promise<T>, leaseTimeoutMs: number) => Promise<T>,
): Promise<T> {
  // The driver's type of what `begin` gives has the results of a list of statements; ours is what `work` says.
  const run = async (sql: Sql) => (await sql.begin(beginMode(options), work)) as T
  return retried({ retry, withinMs, signal }, (leftMs) => onLease(run, leftMs))
}
