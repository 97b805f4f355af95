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

const FACES = {
  sql: { client: 'tenantry-sql', words: 'router.sql(id), one handle a tenant' },
  lease: { client: 'tenantry-lease', words: 'router.lease(id) and lease.run for each statement' },
} as const

/** The router alone, in the process that asks. Both have one connection for each tenant. */
function library(face: keyof typeof FACES): Scenario {
  const { client, words } = FACES[face]
  return {
    name: `library-${face}`,
    title: `10 hot tenants in process, ${words}`,
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
        workload: { kind: 'rows', rows: 20, workers: 32 },
      } as const
      return [
        await inProcess(stage, { ...plan, client, description: `${words}, budget ${HOT.tenants}` }),
        await inProcess(stage, {
          ...plan,
          client: 'postgresjs',
          description: 'postgres.js, max 1, pipelining',
        }),
      ]
    },
  }
}

export const librarySql = library('sql')
export const libraryLease = library('lease')
