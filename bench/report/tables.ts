import { format } from '../duel.ts'
import type { Scenario } from '../scenario.ts'
import { type Judgement, judge, type Runs } from './judgement.ts'
import { median } from './median.ts'
import type { Row } from './row.ts'

/** Markdown: goals and what became of them, recorded figures, and the medians behind both. */
export function tablesOf(scenarios: readonly Scenario[], rows: readonly Row[]): string {
  const measured = scenarios.flatMap((scenario) =>
    rows
      .filter((row) => row.scenario === scenario.name)
      .toSorted((a, b) => a.latencyMs - b.latencyMs)
      .map((row) => ({ scenario, row })),
  )
  return [goalTable(measured), figureTable(measured), conditions(measured)].join('\n\n')
}

interface Measured {
  readonly scenario: Scenario
  readonly row: Row
}

function goalTable(measured: readonly Measured[]): string {
  const lines = measured.flatMap(({ scenario, row }) =>
    scenario.goals.map((goal) => {
      const { figure, interval, verdict } = judge(goal, runsOf(row))
      const cells = [scenario.title, scenario.against, latencyOf(row), goal.label, goalOf(goal)]
      return [...cells, format(figure), `${format(interval[0])} – ${format(interval[1])}`, verdict]
    }),
  )
  const head = ['scenario', 'against', 'latency', 'figure', 'goal', 'measured', '95 % interval', 'verdict']
  return table(head, lines)
}

function figureTable(measured: readonly Measured[]): string {
  const lines = measured.flatMap(({ scenario, row }) =>
    row.sides.map(({ name, runs }) => {
      const figures = scenario.shown.map((of) => {
        const value = median(runs.map((run) => run[of] ?? Number.NaN))
        return Number.isFinite(value) ? `${of} ${format(value)}` : ''
      })
      const sum = (of: 'errors' | 'wrong') => runs.reduce((total, run) => total + run[of], 0)
      const faults = [String(sum('errors')), String(sum('wrong'))]
      return [`\`${scenario.name}\``, latencyOf(row), name, figures.filter(Boolean).join(' · '), ...faults]
    }),
  )
  return table(['scenario', 'latency', 'side', 'medians', 'errors', 'wrong'], lines)
}

/** Where all rows agree, once; rows that were measured elsewhere or otherwise are named. */
function conditions(measured: readonly Measured[]): string {
  const kinds = new Map<string, string[]>()
  for (const { row } of measured) {
    const { machine, postgres, seconds, warmupSeconds, at } = row
    const words = `${at.slice(0, 10)}, ${machine.cores} cores (${machine.cpu}), Node ${machine.node}, Postgres ${postgres.version}; each run ${seconds} s after ${warmupSeconds} s of warm-up`
    kinds.set(words, [...(kinds.get(words) ?? []), `\`${row.scenario}\` ${latencyOf(row)} × ${row.pairs}`])
  }
  return [...kinds].map(([words, rows]) => `Measured ${words}. Pairs: ${rows.join(', ')}.`).join('\n\n')
}

function runsOf({ sides: [ours, other] }: Row): Runs {
  return { ours: ours?.runs ?? [], other: other?.runs ?? [] }
}

function latencyOf({ latencyMs, addedMs }: Row): string {
  return latencyMs === 0 ? 'none' : `+${latencyMs} ms (${addedMs.toFixed(2)})`
}

function goalOf({ bound, value, of }: Judgement['goal']): string {
  return `${bound} ${value}${of === 'ratio' ? ' ×' : ''}`
}

function table(head: readonly string[], lines: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}
