import { z } from 'zod'

export const SweepJob = z.strictObject({
  /** The first of them are those of the interactive load. */
  tenants: z.array(z.strictObject({ id: z.string(), database: z.string() })),
  registry: z.strictObject({ registry: z.string(), masterKey: z.string() }),
  budget: z.int(),
  interactive: z.strictObject({ tenants: z.int(), workers: z.int(), thinkMs: z.number() }),
  /** How the sweep leases; or none at all. */
  sweep: z.strictObject({ class: z.enum(['none', 'batch', 'interactive']), workers: z.int() }),
  warmupSeconds: z.number(),
  /** At least; a sweep goes on until it has been at every tenant. */
  seconds: z.number(),
  seed: z.int(),
})
export type SweepJob = z.output<typeof SweepJob>

/** Times and logins are those of the interactive load. */
export const SweepReport = z.object({
  seconds: z.number(),
  answers: z.number(),
  p50: z.number(),
  p99: z.number(),
  logins: z.number(),
  swept: z.number(),
  errors: z.number(),
  wrong: z.number(),
})
export type SweepReport = z.output<typeof SweepReport>
