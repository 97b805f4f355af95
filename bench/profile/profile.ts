import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { duel } from '../duel.ts'
import type { Ground } from '../ground/ground.ts'
import type { Scenario } from '../scenario.ts'
import { CpuProfile, summaryOf } from './self-times.ts'

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
  const nodeFlags = ['--cpu-prof', '--cpu-prof-interval', '500', '--cpu-prof-dir', profiles]
  const ours: Scenario = {
    ...scenario,
    prepare: async (stage) => (await scenario.prepare({ ...stage, nodeFlags })).slice(0, 1),
  }
  await duel(ours, ground, { ...plan, latencyMs: 0, pairs: 1, onRun: () => undefined })
  const texts = await Promise.all(
    (await readdir(profiles)).map((name) => readFile(join(profiles, name), 'utf8')),
  )
  // Children of the process have profiles of their own: the largest is the one that did the work.
  const [largest = ''] = texts.toSorted((a, b) => b.length - a.length)
  const summary = summaryOf(CpuProfile.parse(JSON.parse(largest)), plan.seconds + END_SECONDS)
  await mkdir(PROFILES, { recursive: true })
  await writeFile(join(PROFILES, `${scenario.name}.txt`), `${scenario.title}\n\n${summary}\n`)
  return `${scenario.title}\n${summary}`
}
