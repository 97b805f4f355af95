import type { Measured } from './measure.ts'

/** Contestant → its runs, in order. */
export type Runs = ReadonlyMap<string, readonly Measured[]>

export interface Medians {
  readonly requestsPerSecond: number
  readonly p50: number
  readonly p99: number
  readonly loginsPerThousand: number
  readonly maxConnections: number
  /** Milliseconds of processor time, of the contestant and of Postgres. */
  readonly cpuMs: number
  readonly postgresCpuMs: number
  readonly errors: number
  readonly wrong: number
}

/** Medians of what varies; sums of what must not happen; the most connections that any run had. */
export function mediansOf(runs: readonly Measured[]): Medians {
  const of = (value: (run: Measured) => number) => median(runs.map(value))
  const sum = (value: (run: Measured) => number) => runs.reduce((total, run) => total + value(run), 0)
  return {
    requestsPerSecond: of((run) => run.requestsPerSecond),
    p50: of((run) => run.latency.p50),
    p99: of((run) => run.latency.p99),
    loginsPerThousand: of((run) => run.logins.perThousandRequests),
    maxConnections: Math.max(...runs.map((run) => run.connections.maxConnections)),
    cpuMs: of((run) => run.cpuMsPerRequest.contestant ?? Number.NaN),
    postgresCpuMs: of((run) => run.cpuMsPerRequest.postgres ?? Number.NaN),
    errors: sum((run) => Object.values(run.errors).reduce((total, count) => total + count, 0)),
    wrong: sum((run) => run.wrong),
  }
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = (sorted.length - 1) / 2
  return ((sorted[Math.floor(middle)] ?? Number.NaN) + (sorted[Math.ceil(middle)] ?? Number.NaN)) / 2
}

export function tableOf(rows: readonly (readonly [name: string, medians: Medians])[]): string[] {
  const head = [
    '',
    'req/s',
    'p50 ms',
    'p99 ms',
    'logins/1,000',
    'connections',
    'CPU ms/req',
    'Postgres CPU',
    'errors',
    'wrong',
  ]
  const body = rows.map(([name, m]) => [
    name,
    m.requestsPerSecond.toFixed(0),
    m.p50.toFixed(1),
    m.p99.toFixed(1),
    m.loginsPerThousand.toFixed(1),
    String(m.maxConnections),
    m.cpuMs.toFixed(2),
    m.postgresCpuMs.toFixed(2),
    String(m.errors),
    String(m.wrong),
  ])
  const widths = head.map((_, column) => Math.max(...[head, ...body].map((row) => row[column]?.length ?? 0)))
  return [head, ...body].map((row) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  '),
  )
}
