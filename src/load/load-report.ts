import type { LoadOutcome } from './load-run.ts'
import type { ServerView } from './server-watch.ts'

export interface LoadReport extends LoadOutcome {
  readonly url: string
  readonly tenants: number
  readonly workers: number
  readonly zipf: number
  readonly rows: number
  /** Connections that began while it was measured, and who counted them; null where nobody could. */
  readonly logins: {
    readonly count: number
    readonly perThousandRequests: number
    readonly source: 'pg_stat_database.sessions' | 'tenantry_pool_create_seconds_count'
  } | null
  /** What `pg_stat_activity` showed; null without `--postgres`. */
  readonly connections: Pick<ServerView, 'maxConnections' | 'samples'> | null
  /** Tenants whose answers could not be told from another's by the name of the database. */
  readonly notToldApart: readonly string[]
}

/** Whether every answer was right, and there was one. */
export function isClean(report: LoadReport): boolean {
  return report.answers > 0 && report.wrong === 0 && Object.keys(report.errors).length === 0
}

/** For people; every figure with its unit. */
export function reportLines(report: LoadReport): string[] {
  const { latency, logins, connections } = report
  const errors = Object.entries(report.errors).map(([code, count]) => `${code} ${count}`)
  const skew = report.zipf === 0 ? 'uniform' : `Zipf ${report.zipf}`
  return [
    `target               ${report.url}, ${report.tenants} tenants (${skew}), ${report.workers} workers, ${report.rows} rows a request`,
    `requests             ${report.answers} in ${report.seconds.toFixed(1)} s = ${report.requestsPerSecond.toFixed(0)} req/s`,
    `latency              p50 ${latency.p50.toFixed(1)} ms, p99 ${latency.p99.toFixed(1)} ms, max ${latency.max.toFixed(1)} ms`,
    `errors               ${errors.length === 0 ? 'none' : errors.join(', ')}`,
    connections
      ? `connections          at most ${connections.maxConnections} in pg_stat_activity (${connections.samples} samples)`
      : 'connections          not looked at (give --postgres)',
    logins
      ? `logins               ${logins.count}, ${logins.perThousandRequests.toFixed(1)} per 1,000 requests (${logins.source})`
      : 'logins               not counted (give --postgres, or a demo file with an operator key)',
    `from the right one   ${judgement(report)}`,
    ...report.wrongAnswers.map(
      ({ tenant, expected, found }) => `  WRONG: ${tenant} should answer from ${expected}: ${found}`,
    ),
  ]
}

function judgement({ wrong, answers, tenantsAsked, notToldApart }: LoadReport): string {
  if (wrong > 0) return `${wrong} answers were NOT`
  const checked = `all ${answers} answers, of ${tenantsAsked} tenants`
  return notToldApart.length === 0
    ? checked
    : `${checked}; not told apart, their databases have one name: ${notToldApart.join(', ')}`
}
