import { z } from 'zod'

/** Longer than any timer of Node, since nothing is timed with it. */
const MAX_STALE_MS = 365 * 86_400_000
const count = z.int().min(1).max(1_000_000)

export const DirectoryOptions = z.strictObject({
  /** Records held at once, over all kinds; the least recently used go first. */
  maxRecords: count.default(10_000),
  /** Names held at once of which it is known that there is no record. */
  maxAbsences: count.default(10_000),
  /** Milliseconds after which an absence is read again, also without a change heard. */
  absenceMs: z.int().min(1).max(3_600_000).default(30_000),
  /** Milliseconds that one read of the registry may take. */
  readTimeoutMs: z.int().min(1).max(60_000).default(2_000),
  /** Milliseconds that a lookup waits for a read while it holds an older answer that may be served instead. */
  patienceMs: z.int().min(0).max(60_000).default(250),
  /** Milliseconds of the registry's silence after which what is held is read again when it is used. */
  silenceMs: z.int().min(1).max(3_600_000).default(5_000),
  /** Milliseconds that an active tenant is served for while the registry cannot be asked. */
  staleMaxMs: z.int().min(0).max(MAX_STALE_MS).default(86_400_000),
})
/** What callers may write. */
export type DirectoryOptions = z.input<typeof DirectoryOptions>
/** What the code reads: no `?`, no second default. */
export type ResolvedDirectoryOptions = z.output<typeof DirectoryOptions>
