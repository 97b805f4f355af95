import { Command } from 'commander'
import { z } from 'zod'

export const BenchOptions = z.strictObject({
  /** Runs of each contestant, in alternation. */
  pairs: z.int().min(1).max(50),
  /** Measured seconds of each run. */
  seconds: z.number().min(1).max(600),
  /** Seconds of each run before that. */
  warmup: z.number().min(0).max(600),
  /** Databases, each with a role of its own. */
  tenants: z.int().min(1).max(1_000),
  /** Connections that each contestant may use. */
  budget: z.int().min(1).max(500),
  workers: z.int().min(1).max(1_000),
  zipf: z.number().min(0).max(5),
  rows: z.int().min(1).max(10_000),
  /** Of the passwords' verifiers, at the server and so at every login. */
  iterations: z.int().min(1).max(100_000),
  /** Where the result is written as JSON. */
  out: z.string(),
})
export type BenchOptions = z.output<typeof BenchOptions>

export function readOptions(argv: readonly string[]): BenchOptions {
  const command = new Command('bench')
    .description('Tenantry and one peer, in alternation, on one real Postgres')
    .option('--pairs <n>', 'runs of each contestant', Number, 3)
    .option('--seconds <s>', 'measured seconds of each run', Number, 15)
    .option('--warmup <s>', 'seconds before that', Number, 5)
    .option('--tenants <n>', 'databases, each with a role of its own', Number, 200)
    .option('--budget <n>', 'connections that each contestant may use', Number, 100)
    .option('--workers <n>', 'requests under way at once', Number, 32)
    .option('--zipf <s>', 'skew over tenants, 0 is uniform', Number, 1)
    .option('--rows <n>', 'rows of each answer', Number, 20)
    .option('--iterations <n>', 'SCRAM iterations of the verifiers', Number, 4_096)
    .option('--out <file>', 'where the result is written as JSON', '.cache/bench/result.json')
  command.parse(argv)
  return BenchOptions.parse(command.opts())
}
