import { expect } from 'vitest'
import { type Outcome, percentile } from '../fault-ground.ts'

/** What the matrix allows: half of the calls fail within 50 ms, all but one in a hundred within 100. */
export function expectFailingFast(outcomes: readonly Outcome[]): void {
  const times = outcomes.map(({ tookMs }) => tookMs)
  expect(times.length).toBeGreaterThan(300)
  expect(percentile(times, 0.5)).toBeLessThan(50)
  expect(percentile(times, 0.99)).toBeLessThan(100)
}

/** The most attempts that began within any one second. */
export function mostInOneSecond(times: readonly number[]): number {
  return Math.max(0, ...times.map((from) => times.filter((at) => at >= from && at < from + 1_000).length))
}
