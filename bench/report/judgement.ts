import type { Figures, Goal } from '../scenario.ts'
import { interval } from './bootstrap.ts'
import { median } from './median.ts'

/** The runs of both sides, in pairs: the first of one with the first of the other. */
export interface Runs {
  readonly ours: readonly Figures[]
  readonly other: readonly Figures[]
}

export interface Judgement {
  readonly goal: Goal
  /** The median over the pairs, and its 95 % interval. */
  readonly figure: number
  readonly interval: readonly [low: number, high: number]
  /**
   * `met` and `missed` where the whole interval is on that side of the goal; `perhaps` where only the figure is.
   * `void` where any answer was an error or wrong, on either side.
   */
  readonly verdict: 'met' | 'perhaps met' | 'perhaps missed' | 'missed' | 'void'
}

export function judge(goal: Goal, runs: Runs): Judgement {
  const values = valuesOf(goal, runs)
  const figure = median(values)
  const range = interval(values)
  return { goal, figure, interval: range, verdict: verdict(goal, figure, range, runs) }
}

function valuesOf({ figure, of }: Goal, { ours, other }: Runs): number[] {
  const value = (run: Figures | undefined) => run?.[figure] ?? Number.NaN
  switch (of) {
    case 'own':
      return ours.map(value)
    case 'other':
      return other.map(value)
    case 'ratio':
      return ours.map((run, pair) => value(run) / value(other[pair]))
  }
}

function verdict(
  { bound, value }: Goal,
  figure: number,
  range: readonly [number, number],
  { ours, other }: Runs,
): Judgement['verdict'] {
  if ([...ours, ...other].some(({ errors, wrong }) => errors > 0 || wrong > 0)) return 'void'
  const isMet = (measured: number) => (bound === 'at least' ? measured >= value : measured <= value)
  if (range.every(isMet)) return 'met'
  if (isMet(figure)) return 'perhaps met'
  return range.some(isMet) ? 'perhaps missed' : 'missed'
}
