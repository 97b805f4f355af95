import type { Contestant } from '../load/contestant.ts'
import { drive, type LoadShape } from '../load/http-side.ts'
import { faultsOf } from '../load/load-figures.ts'
import type { Side, Stage } from '../scenario.ts'

/**
 * The same load twice, alone and beside another: what the other does to it. Both on one service, started afresh.
 * @param bound milliseconds that p99 may be beside the other, from p99 alone.
 */
export function besides(
  stage: Stage,
  contestant: Contestant,
  [own, other]: readonly [own: LoadShape, other: LoadShape],
  bound: (aloneMs: number) => number,
): Side {
  return {
    name: contestant.name,
    description: contestant.description,
    run: async (seed) => {
      await using running = await contestant.start()
      const [before] = (await drive(stage, contestant, running, [own], seed)).groups
      const report = await drive(stage, contestant, running, [own, other], seed)
      const [during, beside] = report.groups
      if (!before || !during || !beside) throw new Error('a group of the load is missing')
      const faults = faultsOf({ groups: [before, during] })
      return {
        alone99: before.p99,
        p99: during.p99,
        p50: during.p50,
        alone50: before.p50,
        p99OverBound: during.p99 / bound(before.p99),
        requestsPerSecond: during.requestsPerSecond,
        aloneRequestsPerSecond: before.requestsPerSecond,
        besideRequestsPerSecond: beside.requestsPerSecond,
        besideErrors: faultsOf({ groups: [beside] }).errors,
        logins: report.logins,
        maxConnections: report.maxConnections,
        errors: faults.errors,
        wrong: faults.wrong + beside.wrong,
      }
    },
  }
}

export const BESIDE_FIGURES = [
  'alone99',
  'p99',
  'alone50',
  'p50',
  'requestsPerSecond',
  'besideRequestsPerSecond',
  'besideErrors',
  'logins',
  'maxConnections',
]
