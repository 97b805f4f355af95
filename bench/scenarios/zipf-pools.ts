import { tenantsOn } from '../ground/tenants.ts'
import { overHttp } from '../load/http-side.ts'
import { loadFigures } from '../load/load-figures.ts'
import { pgPoolLru } from '../peers/pg-pool-lru/contestant.ts'
import type { Scenario } from '../scenario.ts'
import { service } from '../tenantry/service.ts'
import { HTTP_FIGURES, throughputGoals, ZIPF, zipfLoad } from './zipf.ts'

/** Twice as many tenants as connections, beside what teams write today. */
export const zipfPools: Scenario = {
  name: 'zipf-pools',
  title: '200 tenants, Zipf 1.0, budget 100',
  against: '100 × pg.Pool(max 1) in an lru-cache',
  needs: ZIPF.needs,
  latenciesMs: [0, 1],
  goals: [
    {
      figure: 'loginsOverBest',
      of: 'own',
      bound: 'at most',
      value: 1.08,
      label: 'logins, against the best fixed set',
    },
    ...throughputGoals(1.25),
  ],
  shown: [...HTTP_FIGURES, 'bestFixedPerThousand', 'bestInHindsightPerThousand'],
  async prepare(stage) {
    const tenants = tenantsOn(stage.ground, ZIPF.tenants)
    const { budget } = ZIPF
    const load = [zipfLoad(tenants)]
    const ours = await service(stage, { tenants, budget })
    return [
      overHttp(stage, ours, load, loadFigures(budget)),
      overHttp(stage, pgPoolLru(stage, tenants, budget), load, loadFigures(budget)),
    ]
  },
}
