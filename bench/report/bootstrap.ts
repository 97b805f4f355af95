import { TenantPicker } from '../../src/load/tenant-picker.ts'
import { median } from './median.ts'

const RESAMPLES = 4_000
const TAIL = 0.025

/**
 * The 95 % percentile interval of the median of these values, by drawing as many of them again with replacement.
 * The same values give the same interval. With fewer than three it is their range: too few to tell.
 */
export function interval(values: readonly number[]): readonly [low: number, high: number] {
  if (values.length < 3) return [Math.min(...values), Math.max(...values)]
  const picker = new TenantPicker(values.length, 0, 1)
  const medians = Array.from({ length: RESAMPLES }, () =>
    median(values.map(() => values[picker.next()] ?? Number.NaN)),
  ).toSorted((a, b) => a - b)
  const at = (share: number) => medians[Math.round((RESAMPLES - 1) * share)] ?? Number.NaN
  return [at(TAIL), at(1 - TAIL)]
}
