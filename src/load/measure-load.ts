import type { Connection } from '../connection/connection.ts'
import type { ResolvedLoadOptions } from './load-options.ts'
import type { LoadReport } from './load-report.ts'
import { type LoadOutcome, runLoad } from './load-run.ts'
import { indistinguishable, type LoadTarget } from './load-target.ts'
import type { OperatorPlane } from './operator-plane.ts'
import { type ServerView, ServerWatch } from './server-watch.ts'

/** Who looks on while the load runs. Each is the caller's to close. */
export interface Onlookers {
  /** To a database of the tenants' server that is none of theirs. */
  readonly server?: Connection
  readonly plane?: OperatorPlane
}

/** Runs the load and puts together what the client saw and what the server says of it. */
export async function measureLoad(
  target: LoadTarget,
  options: ResolvedLoadOptions,
  onlookers: Onlookers,
  signal?: AbortSignal,
): Promise<LoadReport> {
  const { server, plane } = onlookers
  const watch = server && new ServerWatch(server, Object.values(target.tenants))
  let opensBefore = 0
  const beforeMeasuring = async () => {
    if (watch) await watch.begin()
    else opensBefore = (await plane?.opens()) ?? 0
  }
  const outcome = await runLoad(target, options, { beforeMeasuring, ...(signal && { signal }) })
  const view = await watch?.end()
  const opens = view || !plane ? undefined : (await plane.opens()) - opensBefore
  return {
    ...outcome,
    url: target.url,
    tenants: Object.keys(target.tenants).length,
    workers: options.workers,
    zipf: options.zipf,
    rows: options.rows,
    logins: loginsOf(outcome, view, opens),
    connections: view ? { maxConnections: view.maxConnections, samples: view.samples } : null,
    notToldApart: indistinguishable(target),
  }
}

function loginsOf(
  outcome: LoadOutcome,
  view: ServerView | undefined,
  opens: number | undefined,
): LoadReport['logins'] {
  const count = view?.logins ?? opens
  if (count === undefined) return null
  return {
    count,
    perThousandRequests: outcome.answers === 0 ? 0 : (count * 1000) / outcome.answers,
    source: view ? 'pg_stat_database.sessions' : 'tenantry_pool_create_seconds_count',
  }
}
