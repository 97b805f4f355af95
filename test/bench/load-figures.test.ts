import { describe, expect, it } from 'vitest'
import { loadFigures } from '../../bench/load/load-figures.ts'
import type { LoadReport } from '../../bench/load/load-job.ts'

/** Ten requests to four tenants, the first of which is to be asked most. */
const report: LoadReport = {
  seconds: 2,
  logins: 3,
  maxConnections: 2,
  cpuMs: { contestant: 20, postgres: 10, delay: 0 },
  groups: [
    {
      name: 'all',
      answers: 9,
      requestsPerSecond: 4.5,
      p50: 1,
      p99: 2,
      max: 3,
      errors: { timeout: 1 },
      wrong: 0,
      asked: [5, 1, 3, 1],
    },
  ],
}

describe('the figures of a load', () => {
  it('count as logins of the best fixed set each request beyond the tenants that fit, in the order expected', () => {
    const figures = loadFigures(2)(report)
    expect(figures).toMatchObject({ bestFixedPerThousand: 400, bestInHindsightPerThousand: 200 })
    expect(figures['loginsOverBest']).toBeCloseTo(300 / 400)
  })

  it('tell errors from answers and what each answer cost', () => {
    const figures = loadFigures(2)(report)
    expect(figures).toMatchObject({ answers: 9, errors: 1, wrong: 0 })
    expect(figures['cpuMs']).toBeCloseTo(20 / 9)
  })
})
