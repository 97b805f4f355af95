/**
 * `npm run bench`: Tenantry beside one peer on one Postgres, in alternating pairs (A B, B A, A B …). Each run
 * starts its contestant afresh in a process of its own and drives it by the same `tenantry load`. Prints
 * medians and their ratio and writes everything as JSON.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { availableParallelism, cpus, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Contestant } from './contestant.ts'
import { type Ground, startGround } from './ground.ts'
import { type Measured, measure } from './measure.ts'
import { type BenchOptions, readOptions } from './options.ts'
import { pgPoolLru } from './peers/pg-pool-lru/contestant.ts'
import { mediansOf, tableOf } from './result.ts'
import { tenantry } from './tenantry.ts'

const options = readOptions(process.argv)
const folder = await mkdtemp(join(tmpdir(), 'tenantry-bench-'))
try {
  console.log(`making ${options.tenants} databases …`)
  await using ground = await startGround(options, join(folder, 'postgres'))
  const contestants = [await tenantry(ground, options, folder), pgPoolLru(ground, options, folder)]
  for (const { name, description } of contestants) console.log(`${name}: ${description}`)
  const runs = await alternate(contestants, ground)
  await report(runs, ground)
} finally {
  await rm(folder, { recursive: true, force: true })
}

async function alternate(
  contestants: readonly Contestant[],
  ground: Ground,
): Promise<Map<string, Measured[]>> {
  const runs = new Map<string, Measured[]>(contestants.map(({ name }) => [name, []]))
  for (let pair = 1; pair <= options.pairs; pair++) {
    const order = pair % 2 === 1 ? contestants : contestants.toReversed()
    for (const contestant of order) {
      const measured = await measure(contestant, ground, options, folder)
      runs.get(contestant.name)?.push(measured)
      console.log(`pair ${pair}/${options.pairs}  ${tableOf([[contestant.name, mediansOf([measured])]])[1]}`)
    }
  }
  return runs
}

async function report(runs: ReadonlyMap<string, readonly Measured[]>, ground: Ground): Promise<void> {
  const medians = [...runs].map(([name, measured]) => [name, mediansOf(measured)] as const)
  console.log(`\nmedians of ${options.pairs} (connections: most; errors and wrong answers: sum)`)
  console.log(tableOf(medians).join('\n'))
  const [ours, peer] = medians.map(([, values]) => values)
  const ratio = (ours?.requestsPerSecond ?? 0) / (peer?.requestsPerSecond ?? 0)
  console.log(`\nrequests per second: ${ratio.toFixed(2)} × the peer's`)
  const where: { options: BenchOptions; machine: object } = {
    options,
    machine: { node: process.version, cpu: cpus()[0]?.model, cores: availableParallelism() },
  }
  const postgres = { version: ground.version, settings: ground.settings }
  const result = {
    at: new Date().toISOString(),
    ...where,
    postgres,
    ratio,
    medians: Object.fromEntries(medians),
    runs: Object.fromEntries(runs),
  }
  await mkdir(dirname(options.out), { recursive: true })
  await writeFile(options.out, `${JSON.stringify(result, null, 2)}\n`)
  console.log(`all figures: ${options.out}`)
  if (medians.some(([, values]) => values.wrong > 0)) process.exitCode = 1
}
