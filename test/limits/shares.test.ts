import { describe } from 'vitest'
import { describeShares } from './shares.ts'

describe('limits that processes share', () => {
  describeShares({ tenants: 10, requestsPerMinute: 1_200, windowSeconds: 1, leadMs: 1_000, measureMs: 4_000 })
})
