import { Command } from 'commander'
import { z } from 'zod'
import { SCENARIOS } from './scenarios/all-scenarios.ts'

const NAMES = SCENARIOS.map(({ name }) => name)
const list = (text: string) => text.split(',').map((part) => part.trim())

const BenchOptions = z.strictObject({
  /** Names; empty is all. */
  scenario: z.array(z.enum(NAMES, { error: `is one of ${NAMES.join(', ')}` })),
  /** Runs of each side. */
  pairs: z.int().min(1).max(50),
  /** Measured seconds of each run. */
  seconds: z.number().min(0.5).max(600),
  /** Seconds of each run before that: for the code to be compiled and the warm tenants to have connections. */
  warmup: z.number().min(0).max(600),
  /** Milliseconds; of those that a scenario has. */
  latency: z.array(z.number().min(0)),
  /** Rows are kept there; one of the same scenario and latency is replaced. */
  json: z.string(),
  /** A document to write the tables into. */
  write: z.string().optional(),
  /** Only tables of what is in the JSON file. */
  report: z.boolean(),
  /** One run of our side with a CPU profile, in place of measuring. */
  profile: z.boolean(),
})
export type BenchOptions = z.output<typeof BenchOptions>

export function readOptions(argv: readonly string[]): BenchOptions {
  const command = new Command('bench')
    .description('Tenantry beside its peers and beside itself, in alternating pairs, on a real Postgres')
    .option('--scenario <names>', `some of: ${NAMES.join(', ')}`, list, [])
    .option('--pairs <n>', 'runs of each side', Number, 9)
    .option('--seconds <s>', 'measured seconds of each run', Number, 2)
    .option('--warmup <s>', 'seconds before that', Number, 8)
    .option(
      '--latency <ms>',
      'milliseconds added to each round trip to Postgres',
      (t) => list(t).map(Number),
      [0, 1],
    )
    .option('--json <file>', 'where rows are kept', '.cache/bench/rows.json')
    .option('--write <file>', 'a document to write the tables into')
    .option('--report', 'measure nothing: tables of what is in the JSON file', false)
    .option('--profile', 'in place of measuring: profile our side, into bench/profiles/', false)
  command.parse(argv)
  return BenchOptions.parse(command.opts())
}
