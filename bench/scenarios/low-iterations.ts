import { tenantsOn } from '../ground/tenants.ts'
import { overHttp } from '../load/http-side.ts'
import { loadFigures } from '../load/load-figures.ts'
import type { Scenario } from '../scenario.ts'
import { service } from '../tenantry/service.ts'
import { HTTP_FIGURES, ZIPF, zipfLoad } from './zipf.ts'

/** What a login's price does: verifiers of 1 iteration, as provisioned roles may have, beside ordinary ones. */
export const lowIterations: Scenario = {
  name: 'low-iterations',
  title: 'the same, roles with verifiers of 1 iteration',
  against: 'ourselves, verifiers of 4,096 iterations',
  needs: ZIPF.needs,
  latenciesMs: [0, 1],
  goals: [
    {
      figure: 'requestsPerSecond',
      of: 'ratio',
      bound: 'at least',
      value: 1.3,
      label: 'requests/s',
    },
  ],
  shown: HTTP_FIGURES,
  async prepare(stage) {
    const tenants = tenantsOn(stage.ground, ZIPF.tenants)
    const { budget } = ZIPF
    const load = [zipfLoad(tenants)]
    const cheap = await service(stage, { tenants, budget, login: 'cheap' })
    const ordinary = await service(stage, { tenants, budget })
    return [
      overHttp(stage, cheap, load, loadFigures(budget)),
      overHttp(stage, ordinary, load, loadFigures(budget)),
    ]
  },
}
