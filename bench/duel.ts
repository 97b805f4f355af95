import { mkdir } from 'node:fs/promises'
import { availableParallelism, cpus } from 'node:os'
import { join } from 'node:path'
import { startDelay } from './delay/start-delay.ts'
import type { Ground } from './ground/ground.ts'
import type { Row } from './report/row.ts'
import type { Figures, Scenario } from './scenario.ts'

export interface DuelPlan {
  readonly latencyMs: number
  readonly pairs: number
  readonly seconds: number
  readonly warmupSeconds: number
  readonly folder: string
  readonly nodeFlags?: readonly string[]
  /** Hears of each run. */
  readonly onRun: (line: string) => void
}

/** Puts a scenario's question: sides in alternation, A B, B A, A B …, so that neither has the better half. */
export async function duel(scenario: Scenario, ground: Ground, plan: DuelPlan): Promise<Row> {
  const { latencyMs, pairs, seconds, warmupSeconds, nodeFlags = [] } = plan
  const folder = join(plan.folder, `${scenario.name}-${latencyMs}`)
  await mkdir(folder)
  await using delay = await startDelay(ground, latencyMs, folder)
  const { address: postgres, pids: delayPids, addedMs } = delay
  const times = { latencyMs, seconds, warmupSeconds }
  const sides = await scenario.prepare({ ground, postgres, delayPids, folder, nodeFlags, ...times })
  const measured = sides.map((side) => ({ side, runs: Array<Figures>() }))
  for (let pair = 1; pair <= pairs; pair++) {
    for (const { side, runs } of pair % 2 === 1 ? measured : measured.toReversed()) {
      const figures = await side.run(pair)
      runs.push(figures)
      plan.onRun(`${pair}/${pairs} ${side.name.padEnd(28)} ${lineOf(figures, scenario)}`)
    }
  }
  return {
    scenario: scenario.name,
    ...times,
    at: new Date().toISOString(),
    addedMs,
    pairs,
    machine: {
      node: process.version,
      cpu: cpus()[0]?.model ?? '',
      cores: availableParallelism(),
    },
    postgres: {
      version: ground.version,
      settings: { ...ground.settings },
    },
    sides: measured.map(({ side: { name, description }, runs }) => ({
      name,
      description,
      runs,
    })),
  }
}

function lineOf(figures: Figures, { shown }: Scenario): string {
  const told = [...shown, ...(['errors', 'wrong'] as const).filter((name) => figures[name] > 0)]
  return told.map((name) => `${name} ${format(figures[name])}`).join('  ')
}

/** Four digits are more than two runs agree on. */
export function format(value = Number.NaN): string {
  if (!Number.isFinite(value)) return '–'
  return value >= 1_000 ? value.toFixed(0) : String(Number(value.toPrecision(3)))
}
