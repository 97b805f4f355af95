import { expect, it } from 'vitest'
import { checkModel } from './model-steps.ts'

it('holds the scheduler’s invariants after every step of random interleavings, and all ends', async () => {
  const { granted, mostPasses } = await checkModel(120, 160)
  expect(granted).toBeGreaterThan(2_000)
  expect(mostPasses).toBeGreaterThan(5)
}, 60_000)
