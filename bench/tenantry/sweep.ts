/**
 * A sweep over all tenants beside interactive load, in one process with the router: `sweep.ts JOB.json` prints a
 * `SweepReport`. Over HTTP there are no batch leases.
 */
import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { createRouter } from 'tenantry'
import { PROBE_SQL } from '../../src/load/probe-query.ts'
import { TenantPicker } from '../../src/load/tenant-picker.ts'
import { SweepJob, type SweepReport } from './sweep-job.ts'

const job = SweepJob.parse(JSON.parse(await readFile(process.argv[2] ?? '', 'utf8')))
const ROWS = 20
const SWEEP_MAX_MS = 120_000
const interactive = new Set(job.tenants.slice(0, job.interactive.tenants).map(({ id }) => id))
const picker = new TenantPicker(interactive.size, 1, job.seed)
const pauses = new TenantPicker(10_000, 0, job.seed + 1)
const router = await createRouter({ ...job.registry, maxConnections: job.budget })
let tally = newTally()
router.on('leased', ({ tenant, cold }) => {
  if (cold && interactive.has(tenant)) tally.logins++
})
try {
  const warmUntil = performance.now() + job.warmupSeconds * 1000
  await Promise.all(interactiveUntil(() => performance.now() >= warmUntil))
  tally = newTally()
  const started = performance.now()
  const isOver = over(started)
  await Promise.all([...interactiveUntil(isOver), ...sweepUntil(isOver)])
  process.stdout.write(JSON.stringify(reportOf(tally, (performance.now() - started) / 1000)))
} finally {
  await router.close()
}

/** After the job's time, and not before the sweep has been at every tenant. */
function over(started: number): () => boolean {
  const { sweep, tenants, seconds } = job
  const toSweep = sweep.class === 'none' ? 0 : tenants.length
  return () => {
    const elapsed = performance.now() - started
    if (elapsed >= SWEEP_MAX_MS) throw new Error(`only ${tally.swept} of ${toSweep} tenants in two minutes`)
    return elapsed >= seconds * 1000 && tally.swept >= toSweep
  }
}

function interactiveUntil(isOver: () => boolean): Promise<void>[] {
  return Array.from({ length: job.interactive.workers }, async () => {
    while (!isOver()) {
      const started = performance.now()
      await ask(picker.next(), 'interactive')
      tally.times.push(performance.now() - started)
      await delay(-job.interactive.thinkMs * Math.log((pauses.next() + 1) / 10_000))
    }
  })
}

function sweepUntil(isOver: () => boolean): Promise<void>[] {
  const { sweep, tenants } = job
  if (sweep.class === 'none') return []
  const { class: leaseClass } = sweep
  let next = 0
  return Array.from({ length: sweep.workers }, async () => {
    while (!isOver()) {
      await ask(next++ % tenants.length, leaseClass)
      tally.swept++
    }
  })
}

async function ask(index: number, leaseClass: 'interactive' | 'batch'): Promise<void> {
  const { id = '', database } = job.tenants[index] ?? {}
  try {
    const lease = await router.lease(id, { class: leaseClass })
    try {
      const { rows } = await lease.run({ text: PROBE_SQL, params: [ROWS] })
      const isRight =
        rows.length === ROWS && rows.every((row) => !Array.isArray(row) && row['database'] === database)
      if (!isRight) tally.wrong++
    } finally {
      lease.release()
    }
  } catch {
    tally.errors++
    await delay(1)
  }
}

function newTally() {
  return { times: Array<number>(), logins: 0, swept: 0, errors: 0, wrong: 0 }
}

function reportOf({ times, ...counts }: ReturnType<typeof newTally>, seconds: number): SweepReport {
  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
  return { seconds, answers: times.length, p50: at(0.5), p99: at(0.99), ...counts }
}
