import { join } from 'node:path'
import { makeOurRegistry } from '../ground/our-registry.ts'
import { tenantsOn } from '../ground/tenants.ts'
import { runProgram } from '../process/run-program.ts'
import type { Scenario, Stage } from '../scenario.ts'
import { type SweepJob, SweepReport } from '../tenantry/sweep-job.ts'
import { ZIPF } from './zipf.ts'

const SWEEP = new URL('../tenantry/sweep.ts', import.meta.url)
const BUDGET = 100

/** A job over 1,000 tenants (five to a database) beside 60 of them at work; and what it does as ordinary leases. */
export const batchSweep: Scenario = {
  name: 'batch-sweep',
  title: '60 tenants at a steady pace, while a batch job sweeps 1,000',
  against: 'the same without the sweep',
  needs: ZIPF.needs,
  latenciesMs: [0],
  pairs: 5,
  goals: [],
  shown: [
    'alone99',
    'p99',
    'asInteractive99',
    'aloneLoginsPerThousand',
    'loginsPerThousand',
    'asInteractiveLoginsPerThousand',
    'swept',
    'sweptPerSecond',
    'asInteractiveSweptPerSecond',
  ],
  async prepare(stage) {
    const run = await sweeps(stage)
    return [
      {
        name: 'tenantry',
        description: `the library, budget ${BUDGET}, else its defaults; 16 interactive callers, 8 of the sweep`,
        run: async (seed) => {
          const alone = await run('none', seed)
          const batch = await run('batch', seed)
          const asInteractive = await run('interactive', seed)
          const logins = ({ logins, answers }: SweepReport) => (logins * 1000) / answers
          const all = [alone, batch, asInteractive]
          return {
            alone99: alone.p99,
            p99: batch.p99,
            asInteractive99: asInteractive.p99,
            aloneLoginsPerThousand: logins(alone),
            loginsPerThousand: logins(batch),
            asInteractiveLoginsPerThousand: logins(asInteractive),
            swept: batch.swept,
            sweptPerSecond: batch.swept / batch.seconds,
            asInteractiveSweptPerSecond: asInteractive.swept / asInteractive.seconds,
            errors: all.reduce((sum, { errors }) => sum + errors, 0),
            wrong: all.reduce((sum, { wrong }) => sum + wrong, 0),
          }
        },
      },
    ]
  },
}

async function sweeps(stage: Stage) {
  const { ground, postgres, folder, seconds, warmupSeconds } = stage
  const tenants = tenantsOn(ground, 1_000)
  const { url: registry, masterKey } = await makeOurRegistry(ground, {
    tenants,
    login: 'ordinary',
    postgres,
    budget: BUDGET,
    url: `file:${join(folder, 'registry.yaml')}`,
  })
  const terms = {
    tenants: tenants.map(({ id, place }) => ({
      id,
      database: place.database,
    })),
    registry: {
      registry,
      masterKey,
    },
    budget: BUDGET,
    interactive: {
      tenants: 60,
      workers: 16,
      thinkMs: 8,
    },
    seconds,
    warmupSeconds,
  }
  return async (leaseClass: SweepJob['sweep']['class'], seed: number): Promise<SweepReport> => {
    const job: SweepJob = { ...terms, sweep: { class: leaseClass, workers: 8 }, seed }
    return SweepReport.parse(await runProgram(SWEEP, job, join(folder, 'sweep.json'), stage.nodeFlags))
  }
}
