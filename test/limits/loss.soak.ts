import { describe } from 'vitest'
import { describeLoss } from './loss.ts'

describe('a limiter', () => {
  describeLoss({ phaseMs: 10_000, deadlineMs: 40, addedP99Ms: 50 })
})
