import { describe, expect, it } from 'vitest'
import { cliffsDelta } from './effect-size.ts'
import { timings } from './timing.ts'

describe('the effect size of two samples', () => {
  it.each([
    [[1, 2, 3], [4, 5, 6], -1],
    [[4, 5, 6], [1, 2, 3], 1],
    [[1, 2, 3], [1, 2, 3], 0],
    [[1, 4], [2, 3], 0],
    [[2, 3, 5], [2, 2, 2], 2 / 3],
  ])('of %j and %j is %d', (a, b, delta) => {
    expect(cliffsDelta(a, b)).toBeCloseTo(delta)
  })
})

it('the times of unknown, foreign and suspended tenants are compared on every path', async () => {
  const found = await timings(20, 10)
  expect(Object.keys(found)).toEqual(['session', 'alias', 'key', 'cold'])
  for (const deltas of Object.values(found))
    for (const delta of Object.values(deltas)) expect(Math.abs(delta)).toBeLessThanOrEqual(1)
})
