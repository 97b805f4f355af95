import type { Figures } from '../scenario.ts'
import type { GroupReport, LoadReport } from './load-job.ts'

/** Of a load with one group. */
export function loadFigures(budget: number): (report: LoadReport) => Figures {
  return (report) => {
    const [group] = report.groups
    if (!group) throw new Error('the load had no group')
    const { answers, requestsPerSecond, p50, p99, max } = group
    const asked = group.asked.reduce((sum, count) => sum + count, 0)
    const perThousand = (counts: readonly number[]) => (logins(counts, budget) * 1000) / asked
    // Tenants are in the order of how often they are to be asked: the set that one could have known.
    const best = perThousand(group.asked)
    const loginsPerThousand = (report.logins * 1000) / asked
    return {
      answers,
      requestsPerSecond,
      p50,
      p99,
      max,
      loginsPerThousand,
      bestFixedPerThousand: best,
      bestInHindsightPerThousand: perThousand(group.asked.toSorted((a, b) => b - a)),
      loginsOverBest: best === 0 ? Number.NaN : loginsPerThousand / best,
      maxConnections: report.maxConnections,
      cpuMs: report.cpuMs.contestant / answers,
      postgresCpuMs: report.cpuMs.postgres / answers,
      delayCpuMs: report.cpuMs.delay / answers,
      ...faultsOf(report),
    }
  }
}

/** What must not happen, over all groups. */
export function faultsOf({ groups }: { readonly groups: readonly GroupReport[] }) {
  const counts = groups.flatMap(({ errors }) => Object.values(errors))
  return {
    errors: counts.reduce((sum, count) => sum + count, 0),
    wrong: groups.reduce((sum, { wrong }) => sum + wrong, 0),
  }
}

/** Where the first tenants, as many as the budget, always are warm, each request for another is a login. */
function logins(asked: readonly number[], budget: number): number {
  return asked.slice(budget).reduce((sum, count) => sum + count, 0)
}
