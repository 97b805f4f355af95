import { z } from 'zod'

/** Everything is bounded: a run ends by itself, whatever it meets. */
export const LoadOptions = z.strictObject({
  /** Requests under way at once; each worker sends its next when it has its answer. */
  workers: z.int().min(1).max(1_000).default(32),
  /** Measured seconds. */
  seconds: z.number().min(0.1).max(3_600).default(10),
  /** Seconds before that, not measured. */
  warmupSeconds: z.number().min(0).max(600).default(2),
  /** Requests, warm-up included, after which the run ends early. */
  maxRequests: z.int().min(1).max(100_000_000).default(10_000_000),
  /** Exponent of the Zipf distribution over tenants, in their order; 0 is uniform. */
  zipf: z.number().min(0).max(5).default(1),
  /** Of the choice of tenants: the same seed chooses the same ones. */
  seed: z.int().min(0).max(4_294_967_295).default(1),
  /** Rows that each request asks for. */
  rows: z.int().min(1).max(10_000).default(20),
  /** Milliseconds after which a request counts as failed. */
  timeoutMs: z.int().min(1).max(600_000).default(10_000),
})
/** What callers may write. */
export type LoadOptions = z.input<typeof LoadOptions>
/** What the code reads. */
export type ResolvedLoadOptions = z.output<typeof LoadOptions>
