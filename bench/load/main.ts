/**
 * The load generator, in a process of its own: `main.ts JOB.json` prints a `LoadReport`. Warms up, waits until
 * the server has counted what that did, then measures.
 */
import { readFile } from 'node:fs/promises'
import { parseDsn } from '../../src/connection/dsn.ts'
import { openConnection } from '../../src/connection/open.ts'
import { ServerWatch } from '../../src/load/server-watch.ts'
import { cpuTimeMs } from '../process/cpu-time.ts'
import { GroupRun } from './group-run.ts'
import { LoadJob, type LoadReport } from './load-job.ts'

const job = LoadJob.parse(JSON.parse(await readFile(process.argv[2] ?? '', 'utf8')))
const server = await openConnection(parseDsn(job.adminDsn), { connectTimeoutMs: 5_000 })
const databases = new Set(job.groups.flatMap(({ tenants }) => tenants.map(({ database }) => database)))
const watch = new ServerWatch(server, [...databases])
const runs = job.groups.map(
  (group, index) => new GroupRun(group, job.url, job.seed * 100 + index, job.timeoutMs),
)
try {
  if (job.warmupSeconds > 0) await Promise.all(runs.map((run) => run.run(job.warmupSeconds)))
  await watch.begin()
  const before = await cpuTimes()
  const started = performance.now()
  const tallies = await Promise.all(runs.map((run) => run.run(job.seconds)))
  const seconds = (performance.now() - started) / 1000
  const after = await cpuTimes()
  const { logins, maxConnections } = await watch.end()
  const report: LoadReport = {
    seconds,
    groups: tallies.map((tally) => tally.report(seconds)),
    logins,
    maxConnections,
    cpuMs: {
      contestant: after.contestant - before.contestant,
      postgres: after.postgres - before.postgres,
      delay: after.delay - before.delay,
    },
  }
  process.stdout.write(JSON.stringify(report))
} finally {
  for (const run of runs) run[Symbol.dispose]()
  await server.close()
}

async function cpuTimes(): Promise<LoadReport['cpuMs']> {
  const { contestant, postgres, delay } = job.pids
  const sum = async (pids: readonly number[]) =>
    (await Promise.all(pids.map(cpuTimeMs))).reduce<number>((total, ms) => total + (ms ?? Number.NaN), 0)
  return { contestant: await sum(contestant), postgres: await sum([postgres]), delay: await sum(delay) }
}
