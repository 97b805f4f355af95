/** What is asked of a transaction at its BEGIN, and after it has failed. */
export interface TransactionOptions {
  /** Default: the database's own, normally read committed. */
  readonly isolation?: 'read committed' | 'repeatable read' | 'serializable'
  readonly readOnly?: boolean
  /** Waits for a snapshot that cannot fail; of use with `serializable` and `readOnly` alone. */
  readonly deferrable?: boolean
  /**
   * How many times the body may run again, 0 to 10, after the server gave the transaction up for another's sake
   * (40001, 40P01): each time on a lease of its own, after 5 ms to 1 s, and all within `leaseTimeoutMs`. Never where the
   * outcome is unknown. Default: 0.
   */
  readonly retry?: number
}

/** The words after BEGIN. */
export function beginMode(options: TransactionOptions): string {
  const words = [
    options.isolation && `isolation level ${options.isolation}`,
    options.readOnly && 'read only',
    options.deferrable && 'deferrable',
  ]
  return words.filter(Boolean).join(' ')
}
