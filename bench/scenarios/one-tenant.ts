import { tenantsOn } from '../ground/tenants.ts'
import { inProcess } from '../in-process/in-process-side.ts'
import type { Scenario } from '../scenario.ts'
import { IN_PROCESS_FIGURES } from './library.ts'
import { ZIPF } from './zipf.ts'

/** Whether the tenant grows to what it needs. How many connections it came to is one of the figures. */
export const oneTenant: Scenario = {
  name: 'one-tenant',
  title: 'one tenant, 8 callers, 2 ms of server time',
  against: 'pg.Pool(10)',
  needs: ZIPF.needs,
  latenciesMs: [0, 1],
  goals: [
    {
      figure: 'requestsPerSecond',
      of: 'ratio',
      bound: 'at least',
      value: 0.95,
      label: 'requests/s',
    },
  ],
  shown: IN_PROCESS_FIGURES,
  async prepare(stage) {
    const plan = {
      tenants: tenantsOn(stage.ground, 1),
      maxConnections: 100,
      maxConnectionsPerTenant: 10,
      workload: { kind: 'sleep', ms: 2, workers: 8 },
    } as const
    return [
      await inProcess(stage, {
        ...plan,
        client: 'tenantry-sql',
        description: 'router.sql(id), its defaults',
      }),
      await inProcess(stage, {
        ...plan,
        client: 'pg-pool',
        description: 'pg.Pool, max 10, named statements',
      }),
    ]
  },
}
