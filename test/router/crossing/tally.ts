import { SqlError, TenantryError } from '../../../src/errors.ts'

/** What happened to all workers together, for comparing with what the server says, and for reading. */
export class Tally {
  /** Those that were granted. */
  leases = 0
  longestWaitMs = 0
  operations = 0
  slowestMs = 0
  /** Operations that ended as a killed backend makes them end. */
  disturbed = 0
  /** Leases that were refused, since the connection they waited for was killed as it was opened. */
  refused = 0
  /** Operations that came to the end they should come to. */
  readonly byKind = new Map<string, number>()
  readonly errors = new Map<string, number>()
  /** Whatever must not be: the first is enough to fail a run. */
  readonly violations: string[] = []
  /** Rows of the ledger by tenant: told that they are there, and told that nobody knows. */
  readonly committed = new Map<string, number>()
  readonly unknown = new Map<string, number>()
  #number = 0

  /** Unique in the run. */
  next(): number {
    return ++this.#number
  }

  lease(waitedMs: number): void {
    this.leases++
    this.longestWaitMs = Math.max(this.longestWaitMs, waitedMs)
  }

  count(map: Map<string, number>, key: string): void {
    map.set(key, (map.get(key) ?? 0) + 1)
  }

  violate(text: string): void {
    if (this.violations.length < 20) this.violations.push(text.slice(0, 1_000))
  }
}

/** The SQLSTATE of what Postgres said, else the code of our error. */
export function codeOf(error: unknown): string {
  if (error instanceof SqlError) return error.sqlstate
  if (error instanceof TenantryError) return error.code
  // postgres.js's own error, from a sql handle.
  if (error instanceof Error && 'code' in error) return String(error.code)
  return String(error)
}
