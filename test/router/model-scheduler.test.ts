import { expect, it } from 'vitest'
import { checkModel } from './model-steps.ts'

it('holds the scheduler’s invariants after every step of random interleavings, and all ends', async () => {
  expect(await checkModel(200, 160)).toBeGreaterThan(2_000)
}, 60_000)
