import { tenantsOn } from '../ground/tenants.ts'
import { overHttp } from '../load/http-side.ts'
import { loadFigures } from '../load/load-figures.ts'
import { pgBouncer } from '../peers/pgbouncer/contestant.ts'
import type { Scenario } from '../scenario.ts'
import { service } from '../tenantry/service.ts'
import { HTTP_FIGURES, throughputGoals, ZIPF, zipfLoad } from './zipf.ts'

/** Beside PgBouncer where all tenants share one role, which is the only way for it to keep to a budget. */
export const zipfPgbouncer: Scenario = {
  name: 'zipf-pgbouncer',
  title: '200 tenants, Zipf 1.0, budget 100',
  against: 'PgBouncer, one shared role, its clients kept open',
  needs: ZIPF.needs,
  latenciesMs: [0, 1],
  goals: throughputGoals(1.15),
  shown: HTTP_FIGURES,
  async prepare(stage) {
    const tenants = tenantsOn(stage.ground, ZIPF.tenants)
    const { budget } = ZIPF
    const load = [zipfLoad(tenants)]
    const ours = await service(stage, { tenants, budget })
    const peer = pgBouncer(stage, { tenants, budget, role: 'shared', poolSize: 1, clientsPerTenant: 1 })
    return [
      overHttp(stage, ours, load, loadFigures(budget)),
      overHttp(stage, peer, load, loadFigures(budget)),
    ]
  },
}
