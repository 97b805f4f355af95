import { expect, it } from 'vitest'
import { checkModel } from './model-steps.ts'

it('holds the scheduler’s invariants after every step of 20,000 long random interleavings', async () => {
  expect(await checkModel(20_000, 400)).toBeGreaterThan(1_000_000)
})
