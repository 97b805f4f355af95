import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { z } from 'zod'
import type { Contestant } from './contestant.ts'
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
export type Measured = z.output<typeof Report>

/** One run: the contestant started afresh, `tenantry load` against it in a process of its own, both ended. */
export async function measure(
  contestant: Contestant,
  ground: Ground,
  options: BenchOptions,
  folder: string,
): Promise<Measured> {
  await using running = await contestant.start()
  const targets = join(folder, 'targets.json')
  const tenants = Object.fromEntries([...ground.tenants].map(([id, { database }]) => [id, database]))
  await writeFile(targets, JSON.stringify({ url: running.url, key: contestant.key, tenants }), {
    mode: 0o600,
  })
  const admin = join(folder, 'admin.dsn')
  await writeFile(admin, ground.adminDsn, { mode: 0o600 })
  const flags = {
    targets,
    'postgres-file': admin,
    seconds: options.seconds,
    warmup: options.warmup,
    workers: options.workers,
    zipf: options.zipf,
    rows: options.rows,
  }
  const args = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, String(value)])
  const load = promisify(execFile)(process.execPath, [CLI, 'load', ...args, '--json'])
  // It ends with 1 where an answer failed; what it printed is the result all the same.
  const { stdout } = await load.catch((error: { stdout?: string; stderr?: string }) => {
    if (!error.stdout) throw new Error(`tenantry load failed: ${error.stderr ?? ''}`, { cause: error })
    return { stdout: error.stdout }
  })
  return Report.parse(JSON.parse(stdout))
}
