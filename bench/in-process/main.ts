/** One run without HTTP: `main.ts JOB.json` makes the client, drives it and prints an `InProcessReport`. */
import { readFile } from 'node:fs/promises'
import { cpuTimeMs } from '../process/cpu-time.ts'
import type { InProcessClient } from './client.ts'
import { InProcessJob, type InProcessReport } from './job.ts'
import { Workload } from './workload.ts'

const job = InProcessJob.parse(JSON.parse(await readFile(process.argv[2] ?? '', 'utf8')))
const client = await open(job)
try {
  const workload = new Workload(client, job)
  await workload.warmUp()
  const [cpuBefore, postgresBefore] = [process.cpuUsage(), await cpuTimeMs(job.postgresPid)]
  const started = performance.now()
  const { times, errors, wrong, maxConnections } = await workload.measure()
  const seconds = (performance.now() - started) / 1000
  const cpu = process.cpuUsage(cpuBefore)
  const postgresMs = ((await cpuTimeMs(job.postgresPid)) ?? Number.NaN) - (postgresBefore ?? Number.NaN)
  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
  const report: InProcessReport = {
    answers: times.length,
    requestsPerSecond: times.length / seconds,
    p50: at(0.5),
    p99: at(0.99),
    max: at(1),
    maxConnections,
    errors,
    wrong,
    cpuMs: (cpu.user + cpu.system) / 1e3 / times.length,
    postgresCpuMs: postgresMs / times.length,
  }
  process.stdout.write(JSON.stringify(report))
} finally {
  await client.end()
}

async function open(wanted: InProcessJob): Promise<InProcessClient> {
  switch (wanted.client) {
    case 'tenantry-sql':
    case 'tenantry-lease':
      return (await import('../tenantry/library-client.ts')).libraryClient(wanted)
    case 'postgresjs':
      return (await import('../peers/postgresjs-single/client.ts')).postgresjsClient(wanted)
    case 'pg-pool':
      return (await import('../peers/pg-pool-10/client.ts')).pgPoolClient(wanted)
  }
}
