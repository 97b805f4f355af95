import { tenantsOn } from '../ground/tenants.ts'
import { inProcess } from '../in-process/in-process-side.ts'
import type { Scenario } from '../scenario.ts'
import { ZIPF } from './zipf.ts'

/** One after the other, nothing beside it: login, proof of where we are, and one row. */
export const cold: Scenario = {
  name: 'cold',
  title: "a cold tenant's first row",
  against: 'raw postgres.js connect and query, same role',
  needs: ZIPF.needs,
  latenciesMs: [0, 1],
  goals: [{ figure: 'p50', of: 'ratio', bound: 'at most', value: 1.1, label: 'time' }],
  shown: ['p50', 'p99', 'cpuMs', 'postgresCpuMs'],
  async prepare(stage) {
    const plan = {
      tenants: tenantsOn(stage.ground, 20),
      maxConnections: 100,
      maxConnectionsPerTenant: 10,
      workload: { kind: 'cold', repeats: 40, rows: 1 },
    } as const
    const words = 'postgres.js, max 1, without fetching array types'
    return [
      await inProcess(stage, {
        ...plan,
        client: 'tenantry-sql',
        description: 'router.sql(id), evicted before',
      }),
      await inProcess(stage, { ...plan, client: 'postgresjs', description: words }),
    ]
  },
}
