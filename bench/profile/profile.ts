import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { Session } from 'node:inspector/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { duel } from '../duel.ts'
import type { Ground } from '../ground/ground.ts'
import type { Scenario } from '../scenario.ts'
import { CpuProfile, summaryOf } from './self-times.ts'

const INTERVAL_US = 500
const PROFILES = fileURLToPath(new URL('../profiles/', import.meta.url))

/** Of a process, when the load has ended: counting what it did, and closing. */
const END_SECONDS = 1

export interface ProfilePlan {
  readonly seconds: number
  readonly warmupSeconds: number
  readonly folder: string
}

/**
 * Runs our side once with a CPU profile and keeps what functions cost by themselves in `bench/profiles/`.
 */
export async function profile(scenario: Scenario, ground: Ground, plan: ProfilePlan): Promise<string> {
  const profiles = join(plan.folder, `${scenario.name}-profiles`)
  const nodeFlags = ['--cpu-prof', '--cpu-prof-interval', String(INTERVAL_US), '--cpu-prof-dir', profiles]
  const ours: Scenario = {
    ...scenario,
    prepare: async (stage) => (await scenario.prepare({ ...stage, nodeFlags })).slice(0, 1),
  }
  const run = () => duel(ours, ground, { ...plan, latencyMs: 0, pairs: 1, onRun: () => undefined })
  const recorded = scenario.isInProcess ? await recordedHere(run) : await recordedIn(profiles, run)
  const summary = summaryOf(recorded, plan.seconds + END_SECONDS)
  await mkdir(PROFILES, { recursive: true })
  await writeFile(join(PROFILES, `${scenario.name}.txt`), `${scenario.title}\n\n${summary}\n`)
  return `${scenario.title}\n${summary}`
}

/** What the processes that the run started left in `folder`. */
async function recordedIn(folder: string, run: () => Promise<unknown>): Promise<CpuProfile> {
  await run()
  const texts = await Promise.all((await readdir(folder)).map((name) => readFile(join(folder, name), 'utf8')))
  // Children of the process have profiles of their own: the largest is the one that did the work.
  const [largest = ''] = texts.toSorted((a, b) => b.length - a.length)
  return CpuProfile.parse(JSON.parse(largest))
}

async function recordedHere(run: () => Promise<unknown>): Promise<CpuProfile> {
  const session = new Session()
  session.connect()
  try {
    await session.post('Profiler.enable')
    await session.post('Profiler.setSamplingInterval', { interval: INTERVAL_US })
    await session.post('Profiler.start')
    await run()
    return CpuProfile.parse((await session.post('Profiler.stop')).profile)
  } finally {
    session.disconnect()
  }
}
