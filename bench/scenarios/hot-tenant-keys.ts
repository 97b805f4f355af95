import { overHttp } from '../load/http-side.ts'
import { loadFigures } from '../load/load-figures.ts'
import type { Scenario } from '../scenario.ts'
import { service } from '../tenantry/service.ts'
import { HOT, hotLoad, hotTenants } from './hot.ts'
import { HTTP_FIGURES, ZIPF } from './zipf.ts'

/** SQL that tenants wrote: unnamed statements, and everything of the session discarded after each. */
export const hotTenantKeys: Scenario = {
  name: 'hot-tenant-keys',
  title: 'the same, tenant keys (foreign SQL, reset)',
  against: 'ourselves with a service key',
  needs: ZIPF.needs,
  latenciesMs: [0, 1],
  goals: [
    {
      figure: 'requestsPerSecond',
      of: 'ratio',
      bound: 'at least',
      value: 0.5,
      label: 'requests/s',
    },
  ],
  shown: HTTP_FIGURES,
  async prepare(stage) {
    const plan = { tenants: hotTenants(stage), budget: HOT.budget }
    const foreign = await service(stage, { ...plan, keys: 'tenant' })
    const application = await service(stage, plan)
    return [
      overHttp(stage, foreign, hotLoad(stage), loadFigures(HOT.budget)),
      overHttp(stage, application, hotLoad(stage), loadFigures(HOT.budget)),
    ]
  },
}
