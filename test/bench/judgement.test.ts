import { describe, expect, it } from 'vitest'
import { interval } from '../../bench/report/bootstrap.ts'
import { judge } from '../../bench/report/judgement.ts'
import { median } from '../../bench/report/median.ts'
import type { Figures, Goal } from '../../bench/scenario.ts'

const faster: Goal = { figure: 'speed', of: 'ratio', bound: 'at least', value: 1.25, label: 'speed' }

function runs(speeds: readonly number[], faults: Partial<Figures> = {}): Figures[] {
  return speeds.map((speed) => ({ speed, errors: 0, wrong: 0, ...faults }))
}

describe('the judgement of a row', () => {
  it('takes the median of the ratios of pairs, not the ratio of medians', () => {
    const judged = judge(faster, { ours: runs([10, 30, 20]), other: runs([5, 10, 20]) })
    expect(judged.figure).toBe(2)
  })

  it.each([
    ['met', [150, 151, 152, 153, 154, 155, 156, 157, 158]],
    ['perhaps met', [100, 101, 102, 103, 130, 131, 132, 133, 134]],
    ['perhaps missed', [100, 101, 102, 103, 104, 131, 132, 133, 134]],
    ['missed', [100, 101, 102, 103, 104, 105, 106, 107, 108]],
  ])('says %s by where the whole interval is, not the figure alone', (verdict, speeds) => {
    const judged = judge(faster, { ours: runs(speeds), other: runs(speeds.map(() => 100)) })
    expect(judged.verdict).toBe(verdict)
  })

  it('is void where either side answered with an error or another tenant’s row', () => {
    const [good, fast] = [runs([100, 100, 100]), runs([200, 200, 200])]
    const wrong = runs([200, 200, 200], { wrong: 1 })
    expect(judge(faster, { ours: wrong, other: good }).verdict).toBe('void')
    const failed = runs([100, 100, 100], { errors: 1 })
    expect(judge(faster, { ours: fast, other: failed }).verdict).toBe('void')
  })

  it('misses a goal whose figure was not measured', () => {
    const goal: Goal = { figure: 'absent', of: 'own', bound: 'at most', value: 1, label: '' }
    expect(judge(goal, { ours: runs([1, 1, 1]), other: [] }).verdict).toBe('missed')
  })
})

describe('the interval of a median', () => {
  it('holds the median, lies within the values, and is the same each time', () => {
    const values = [1.1, 1.2, 1.15, 1.3, 1.18, 1.22, 1.17, 1.09, 1.25]
    const [low, high] = interval(values)
    expect(interval(values)).toEqual([low, high])
    expect(low).toBeLessThan(median(values))
    expect(high).toBeGreaterThan(median(values))
    expect([Math.min(...values) <= low, high <= Math.max(...values)]).toEqual([true, true])
  })
})
