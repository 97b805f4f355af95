import { expect, it } from 'vitest'
import { timings } from './timing.ts'

const SAMPLES = 10_000
const COLD = 1_000
/** Negligible: see `cliffsDelta`. */
const MOST = 0.147

it('unknown, foreign and suspended tenants cannot be told apart by time', async () => {
  const found = await timings(SAMPLES, COLD)
  process.stdout.write(`${JSON.stringify(found, undefined, 2)}\n`)
  for (const [way, deltas] of Object.entries(found))
    for (const [what, delta] of Object.entries(deltas))
      expect([way, what, Math.abs(delta) < MOST, delta]).toEqual([way, what, true, delta])
})
