/**
 * `npm run bench`: each scenario on its ground, each latency a row. Rows are kept as JSON as they come, and the
 * tables are made of all that are kept.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { duel } from './duel.ts'
import { type Ground, type GroundNeeds, startGround } from './ground/ground.ts'
import { readOptions } from './options.ts'
import { profile } from './profile/profile.ts'
import { keepRow, readRows } from './report/row-file.ts'
import { tablesOf } from './report/tables.ts'
import { writeDocument } from './report/write-document.ts'
import type { Scenario } from './scenario.ts'
import { SCENARIOS } from './scenarios/all-scenarios.ts'

const options = readOptions(process.argv)
const wanted = SCENARIOS.filter(
  ({ name }) => options.scenario.length === 0 || options.scenario.includes(name),
)
const started = performance.now()
if (!options.report) await onGrounds(wanted, options.profile ? profileAll : measureAll)
if (!options.profile) await report()

/** Scenarios with the same needs (one object) share their ground. */
async function onGrounds(
  scenarios: readonly Scenario[],
  act: (scenario: Scenario, ground: Ground, folder: string) => Promise<void>,
): Promise<void> {
  const byNeeds = new Map<GroundNeeds, Scenario[]>()
  for (const scenario of scenarios) {
    byNeeds.set(scenario.needs, [...(byNeeds.get(scenario.needs) ?? []), scenario])
  }
  for (const [needs, members] of byNeeds) {
    const folder = await mkdtemp(join(tmpdir(), 'tenantry-bench-'))
    try {
      tell(`making ${needs.databases} databases`)
      await using ground = await startGround(needs, join(folder, 'postgres'))
      for (const scenario of members) await act(scenario, ground, folder)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }
}

async function measureAll(scenario: Scenario, ground: Ground, folder: string): Promise<void> {
  const { pairs, seconds, warmup: warmupSeconds } = options
  for (const latencyMs of scenario.latenciesMs.filter((ms) => options.latency.includes(ms))) {
    tell(`${scenario.name}, +${latencyMs} ms`)
    const row = await duel(scenario, ground, {
      latencyMs,
      seconds,
      warmupSeconds,
      folder,
      pairs: Math.min(pairs, scenario.pairs ?? pairs),
      onRun: (line) => tell(`  ${line}`),
    })
    await keepRow(options.json, row)
  }
}

async function profileAll(scenario: Scenario, ground: Ground, folder: string): Promise<void> {
  const { seconds, warmup: warmupSeconds } = options
  tell(await profile(scenario, ground, { seconds, warmupSeconds, folder }))
}

async function report(): Promise<void> {
  const tables = tablesOf(SCENARIOS, await readRows(options.json))
  console.log(`\n${tables}\n`)
  if (options.write !== undefined) await writeDocument(options.write, tables)
}

function tell(line: string): void {
  const minutes = (performance.now() - started) / 60_000
  console.log(`${minutes.toFixed(1).padStart(5)} min  ${line}`)
}
