import { expect, it } from 'vitest'
import { MAX_PASSES } from '../../src/router/scheduling/turns.ts'
import { checkModel } from './model-steps.ts'

it('holds the scheduler’s invariants after every step of 20,000 long random interleavings', async () => {
  const { granted, mostPasses } = await checkModel(20_000, 400)
  // Leases that were granted on the way: about a hundred in each, else the model did little.
  expect(granted).toBeGreaterThan(1_200_000)
  expect(mostPasses).toBe(MAX_PASSES)
})
