import { expect, it } from 'vitest'
import { checkModel } from './model-steps.ts'

it('holds the scheduler’s invariants after every step of 20,000 long random interleavings', async () => {
  // Leases that were granted on the way: about 27 in each, else the model did little.
  expect(await checkModel(20_000, 400)).toBeGreaterThan(400_000)
})
