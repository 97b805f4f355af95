import { describe } from 'vitest'
import { describeLoss } from './loss.ts'

describe('a limiter', () => {
  // Not how long they wait: others use this machine.
  describeLoss({ phaseMs: 2_200, deadlineMs: 200, addedP99Ms: 1_000 })
})
