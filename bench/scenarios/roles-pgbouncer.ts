import { tenantsOn } from '../ground/tenants.ts'
import { overHttp } from '../load/http-side.ts'
import { loadFigures } from '../load/load-figures.ts'
import { pgBouncer } from '../peers/pgbouncer/contestant.ts'
import type { Scenario } from '../scenario.ts'
import { service } from '../tenantry/service.ts'
import { HTTP_FIGURES, ZIPF, zipfLoad } from './zipf.ts'

/** A role for each tenant: PgBouncer caps a database or a role, never a server. Not about speed. */
export const rolesPgbouncer: Scenario = {
  name: 'roles-pgbouncer',
  title: 'the same, a role per tenant: connections beyond the budget of 100',
  against: 'PgBouncer, a role per tenant, its clients kept open',
  needs: ZIPF.needs,
  latenciesMs: [0, 1],
  pairs: 3,
  goals: [
    {
      figure: 'maxConnections',
      of: 'own',
      bound: 'at most',
      value: ZIPF.budget,
      label: 'most connections in pg_stat_activity',
    },
    {
      figure: 'overBudget',
      of: 'other',
      bound: 'at least',
      value: 1.01,
      label: 'the peer passes the budget',
    },
  ],
  shown: HTTP_FIGURES,
  async prepare(stage) {
    const tenants = tenantsOn(stage.ground, ZIPF.tenants)
    const { budget } = ZIPF
    const load = [zipfLoad(tenants)]
    const figures = (report: Parameters<ReturnType<typeof loadFigures>>[0]) => ({
      ...loadFigures(budget)(report),
      overBudget: report.maxConnections / budget,
    })
    const ours = await service(stage, { tenants, budget })
    const peer = pgBouncer(stage, { tenants, budget, role: 'ordinary', poolSize: 1, clientsPerTenant: 1 })
    return [overHttp(stage, ours, load, figures), overHttp(stage, peer, load, figures)]
  },
}
