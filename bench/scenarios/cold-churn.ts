import { tenantsOn } from '../ground/tenants.ts'
import type { Scenario } from '../scenario.ts'
import { service } from '../tenantry/service.ts'
import { BESIDE_FIGURES, besides } from './two-phases.ts'
import { ZIPF } from './zipf.ts'

/** 180 tenants one after the other, for which there is never a connection, beside 20 that stay warm. */
export const coldChurn: Scenario = {
  name: 'cold-churn',
  title: '20 warm tenants at a steady pace, while cold tenants churn',
  against: 'the same without the churn',
  needs: ZIPF.needs,
  latenciesMs: [0, 1],
  pairs: 5,
  goals: [],
  shown: [...BESIDE_FIGURES, 'p99OverBound'],
  async prepare(stage) {
    const tenants = tenantsOn(stage.ground, 200)
    const ours = await service(stage, { tenants, budget: 100 })
    const ask = { kind: 'rows', rows: 20 } as const
    const warm = { name: 'warm', tenants: tenants.slice(0, 20), pick: 0, workers: 8, thinkMs: 8, ask }
    const churn = { name: 'churn', tenants: tenants.slice(20), pick: 'cycle', workers: 4, ask } as const
    return [besides(stage, ours, [warm, churn], (alone) => 1.5 * alone + 5)]
  },
}
