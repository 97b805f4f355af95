import { z } from 'zod'

const Figures = z.object({ errors: z.number(), wrong: z.number() }).catchall(
  z
    .number()
    .nullable()
    .transform((value) => value ?? Number.NaN),
) // JSON has no NaN

/** One scenario at one latency, as it is kept: what a judgement needs, and everything that was measured. */
export const Row = z.object({
  scenario: z.string(),
  latencyMs: z.number(),
  at: z.string(),
  /** What each statement's round trip really took longer, milliseconds. */
  addedMs: z.number(),
  pairs: z.number(),
  seconds: z.number(),
  warmupSeconds: z.number(),
  machine: z.object({ node: z.string(), cpu: z.string(), cores: z.number() }),
  postgres: z.object({ version: z.number(), settings: z.record(z.string(), z.string()) }),
  sides: z.array(z.object({ name: z.string(), description: z.string(), runs: z.array(Figures) })),
})
export type Row = z.output<typeof Row>
