import { tenantsOn } from '../ground/tenants.ts'
import { type LoadShape, overHttp } from '../load/http-side.ts'
import { loadFigures } from '../load/load-figures.ts'
import { postgresjsHot } from '../peers/postgresjs-hot/contestant.ts'
import type { Scenario, Stage } from '../scenario.ts'
import { service } from '../tenantry/service.ts'
import { HTTP_FIGURES, ZIPF } from './zipf.ts'

/** Ten tenants and connections for all of them: nothing is ever cold. */
export const HOT = { tenants: 10, budget: 100 } as const

export function hotTenants(stage: Stage) {
  return tenantsOn(stage.ground, HOT.tenants)
}

export function hotLoad(stage: Stage): LoadShape[] {
  const tenants = hotTenants(stage)
  return [{ name: 'hot', tenants, pick: 0, workers: 32, ask: { kind: 'rows', rows: 20 } }]
}

export const hot: Scenario = {
  name: 'hot',
  title: '10 hot tenants over HTTP, service key',
  against: 'Hono and postgres.js per tenant, no authentication',
  needs: ZIPF.needs,
  latenciesMs: [0, 1],
  goals: [
    {
      figure: 'requestsPerSecond',
      of: 'ratio',
      bound: 'at least',
      value: 1,
      label: 'requests/s',
    },
  ],
  shown: HTTP_FIGURES,
  async prepare(stage) {
    const tenants = hotTenants(stage)
    const ours = await service(stage, { tenants, budget: HOT.budget })
    // One connection each, as pipelining makes that the quickest here: 3 and 10 answer less with more work.
    const peer = postgresjsHot(stage, tenants, 1)
    return [
      overHttp(stage, ours, hotLoad(stage), loadFigures(HOT.budget)),
      overHttp(stage, peer, hotLoad(stage), loadFigures(HOT.budget)),
    ]
  },
}
