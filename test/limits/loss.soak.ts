import { describe } from 'vitest'
import { RedisOptions } from '../../src/redis.ts'
import { describeLoss } from './loss.ts'

/** As it is by default. */
const { deadlineMs } = RedisOptions.parse({})

describe('a limiter', () => {
  describeLoss({ phaseMs: 10_000, deadlineMs, addedP99Ms: 50 })
})
