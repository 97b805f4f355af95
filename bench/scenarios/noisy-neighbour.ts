import { tenantsOn } from '../ground/tenants.ts'
import type { Scenario } from '../scenario.ts'
import { service } from '../tenantry/service.ts'
import { BESIDE_FIGURES, besides } from './two-phases.ts'
import { ZIPF } from './zipf.ts'

/** One tenant sends slow statements from 64 callers, 1,000 a second at its ten connections; ten others go on. */
export const noisyNeighbour: Scenario = {
  name: 'noisy-neighbour',
  title: 'ten tenants at a steady pace, while another floods',
  against: 'the same without the flood',
  needs: ZIPF.needs,
  latenciesMs: [0],
  pairs: 5,
  goals: [
    {
      figure: 'p99OverBound',
      of: 'own',
      bound: 'at most',
      value: 1,
      label: 'p99 of the ten, in parts of 1.5 × alone + 5 ms',
    },
  ],
  shown: BESIDE_FIGURES,
  async prepare(stage) {
    const tenants = tenantsOn(stage.ground, 11)
    const ours = await service(stage, { tenants, budget: 20 })
    const steady = {
      name: 'steady',
      tenants: tenants.slice(1),
      pick: 0,
      workers: 8,
      thinkMs: 8,
      ask: {
        kind: 'rows',
        rows: 20,
      },
    } as const
    const flood = {
      name: 'flood',
      tenants: tenants.slice(0, 1),
      pick: 0,
      workers: 64,
      ask: {
        kind: 'sleep',
        ms: 10,
      },
    } as const
    return [besides(stage, ours, [steady, flood], (alone) => 1.5 * alone + 5)]
  },
}
