import type { RefusalCounts } from './refused-answers.ts'

export interface DirectoryStats {
  /** Lookups answered from memory. */
  readonly hits: number
  /** Reads of the registry that were begun, and those of them that failed. */
  readonly reads: number
  readonly failures: number
  /** Lookups answered with something older because the registry did not answer. */
  readonly staleServed: number
  /** Answers that were not believed. */
  readonly refused: RefusalCounts
  readonly records: number
  readonly absences: number
}
