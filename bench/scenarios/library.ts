import { inProcess } from '../in-process/in-process-side.ts'
import type { Scenario } from '../scenario.ts'
import { HOT, hotTenants } from './hot.ts'
import { ZIPF } from './zipf.ts'

export const IN_PROCESS_FIGURES = [
  'requestsPerSecond',
  'p50',
  'p99',
  'maxConnections',
  'cpuMs',
  'postgresCpuMs',
]

const CLIENTS = {
  sql: { client: 'tenantry-sql', words: 'router.sql(id)' },
  lease: { client: 'tenantry-lease', words: 'a lease for each statement' },
} as const

/**
 * With 32 callers statements of one tenant meet: postgres.js alone sends them down one connection before the
 * answer to the first is there, which we never do. With a caller for each tenant they do not meet, and what is
 * left is what the router costs.
 */
const CALLERS = {
  many: { workers: 32, pick: 'any', words: '32 callers' },
  one: { workers: HOT.tenants, pick: 'own', words: 'a caller each' },
} as const

/** The router alone, in the process that asks. Both sides have one connection for each tenant. */
function library(name: string, face: keyof typeof CLIENTS, callers: keyof typeof CALLERS): Scenario {
  const { client, words } = CLIENTS[face]
  const { workers, pick, words: who } = CALLERS[callers]
  return {
    name,
    title: `10 hot tenants in process, ${who}, ${words}`,
    against: 'raw postgres.js, one connection a tenant',
    needs: ZIPF.needs,
    latenciesMs: [0, 1],
    goals: [
      {
        figure: 'requestsPerSecond',
        of: 'ratio',
        bound: 'at least',
        value: 0.93,
        label: 'requests/s',
      },
    ],
    shown: IN_PROCESS_FIGURES,
    async prepare(stage) {
      const plan = {
        tenants: hotTenants(stage),
        maxConnections: HOT.tenants,
        maxConnectionsPerTenant: 1,
        workload: { kind: 'rows', rows: 20, workers, pick },
      } as const
      const raw = 'postgres.js, max 1, pipelining'
      return [
        await inProcess(stage, { ...plan, client, description: `${words}, budget ${HOT.tenants}` }),
        await inProcess(stage, { ...plan, client: 'postgresjs', description: raw }),
      ]
    },
  }
}

export const LIBRARY: readonly Scenario[] = [
  library('library-sql', 'sql', 'many'),
  library('library-lease', 'lease', 'many'),
  library('library-sql-own', 'sql', 'one'),
  library('library-lease-own', 'lease', 'one'),
]
