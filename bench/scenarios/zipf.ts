import type { BenchTenant } from '../ground/tenants.ts'
import type { LoadShape } from '../load/http-side.ts'
import type { Goal } from '../scenario.ts'

/** 200 tenants, of which the first is asked most, and connections for half of them. */
export const ZIPF = {
  needs: { databases: 200, maxConnections: 400, tls: false },
  tenants: 200,
  budget: 100,
} as const

export function zipfLoad(tenants: readonly BenchTenant[]): LoadShape {
  return { name: 'zipf', tenants, pick: 1, workers: 32, ask: { kind: 'rows', rows: 20 } }
}

export function throughputGoals(atLeast: number): Goal[] {
  return [
    {
      figure: 'requestsPerSecond',
      of: 'ratio',
      bound: 'at least',
      value: atLeast,
      label: 'requests/s',
    },
    { figure: 'p99', of: 'ratio', bound: 'at most', value: 1, label: 'p99' },
  ]
}

export const HTTP_FIGURES = [
  'requestsPerSecond',
  'p50',
  'p99',
  'loginsPerThousand',
  'maxConnections',
  'cpuMs',
  'postgresCpuMs',
  'delayCpuMs',
]
