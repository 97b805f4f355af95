import { tenantsOn } from '../ground/tenants.ts'
import { inProcess } from '../in-process/in-process-side.ts'
import type { Scenario } from '../scenario.ts'
import { ZIPF } from './zipf.ts'

const LIMITS = [2, 4, 8, 16] as const

/** What the default of `maxOpeningPerServer` is chosen by: too few wait in line, too many crowd out warm work. */
export const openingLimits: Scenario = {
  name: 'opening-limits',
  title: '200 tenants, Zipf 1.0, budget 100, in process, by openings under way at once',
  against: 'ourselves with 2, 4, 8 and 16 to a server',
  needs: ZIPF.needs,
  latenciesMs: [0, 1],
  pairs: 5,
  goals: [],
  shown: LIMITS.flatMap((limit) => [`requestsPerSecondAt${limit}`, `p50At${limit}`, `p99At${limit}`]),
  async prepare(stage) {
    const sides = await Promise.all(
      LIMITS.map(async (limit) => {
        const side = await inProcess(stage, {
          client: 'tenantry-sql',
          tenants: tenantsOn(stage.ground, ZIPF.tenants),
          maxConnections: ZIPF.budget,
          maxConnectionsPerTenant: 10,
          maxOpeningPerServer: limit,
          workload: { kind: 'rows', rows: 20, workers: 32, pick: 'zipf' },
          description: `at most ${limit} openings under way at once`,
        })
        return { limit, side }
      }),
    )
    const run = async (seed: number) => {
      const figures: Record<string, number> = {}
      let [errors, wrong] = [0, 0]
      for (const { limit, side } of seed % 2 === 1 ? sides : sides.toReversed()) {
        const measured = await side.run(seed)
        for (const name of ['requestsPerSecond', 'p50', 'p99'])
          figures[`${name}At${limit}`] = measured[name] ?? Number.NaN
        errors += measured.errors
        wrong += measured.wrong
      }
      return { ...figures, errors, wrong }
    }
    return [{ name: 'tenantry', description: 'router.sql(id), each limit afresh', run }]
  },
}
