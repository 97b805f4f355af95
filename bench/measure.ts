import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { z } from 'zod'
import type { Contestant } from './contestant.ts'
import { cpuTimeMs } from './cpu-time.ts'
import type { Ground } from './ground.ts'
import type { BenchOptions } from './options.ts'

const CLI = fileURLToPath(new URL('../dist/cli.js', import.meta.url))

const Report = z.object({
  answers: z.number(),
  requestsPerSecond: z.number(),
  latency: z.object({ p50: z.number(), p99: z.number(), max: z.number() }),
  errors: z.record(z.string(), z.number()),
  wrong: z.number(),
  logins: z.object({ count: z.number(), perThousandRequests: z.number() }),
  connections: z.object({ maxConnections: z.number() }),
})
type Report = z.output<typeof Report>

/** Milliseconds of processor time for one request; null where the machine does not tell. */
export interface Measured extends Report {
  readonly cpuMsPerRequest: { readonly contestant: number | null; readonly postgres: number | null }
}

/**
 * One run: the contestant started afresh, warmed up, and `tenantry load` against it in a process of its own.
 */
export async function measure(
  contestant: Contestant,
  ground: Ground,
  options: BenchOptions,
  folder: string,
): Promise<Measured> {
  await using running = await contestant.start()
  const files = { targets: join(folder, 'targets.json'), 'postgres-file': join(folder, 'admin.dsn') }
  const tenants = Object.fromEntries([...ground.tenants].map(([id, { database }]) => [id, database]))
  const target = { url: running.url, key: contestant.key, tenants }
  await writeFile(files.targets, JSON.stringify(target), { mode: 0o600 })
  await writeFile(files['postgres-file'], ground.adminDsn, { mode: 0o600 })
  const { workers, zipf, rows } = options
  const flags = { ...files, workers, zipf, rows, warmup: 0 }
  if (options.warmup > 0) await load({ ...flags, seconds: options.warmup, seed: 2 })
  const times = () => Promise.all([cpuTimeMs(running.pid), cpuTimeMs(ground.pid)])
  const before = await times()
  const report = await load({ ...flags, seconds: options.seconds })
  const after = await times()
  const perRequest = (which: 0 | 1) => {
    const [start, end] = [before[which], after[which]]
    return start === undefined || end === undefined ? null : (end - start) / report.answers
  }
  return { ...report, cpuMsPerRequest: { contestant: perRequest(0), postgres: perRequest(1) } }
}

async function load(flags: Readonly<Record<string, string | number>>): Promise<Report> {
  const args = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, String(value)])
  const run = promisify(execFile)(process.execPath, [CLI, 'load', ...args, '--json'])
  // It ends with 1 where an answer failed; what it printed is the result all the same.
  const { stdout } = await run.catch((error: { stdout?: string; stderr?: string }) => {
    if (!error.stdout) throw new Error(`tenantry load failed: ${error.stderr ?? ''}`, { cause: error })
    return { stdout: error.stdout }
  })
  return Report.parse(JSON.parse(stdout))
}
