export interface TransactionOptions {
  /** Default: the database's own, normally read committed. */
  readonly isolation?: 'read committed' | 'repeatable read' | 'serializable'
  readonly readOnly?: boolean
  /** Waits for a snapshot that cannot fail; of use with `serializable` and `readOnly` alone. */
  readonly deferrable?: boolean
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
