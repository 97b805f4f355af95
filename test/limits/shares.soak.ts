import { describe } from 'vitest'
import { describeShares } from './shares.ts'

describe('limits that processes share', () => {
  describeShares({ tenants: 10, requestsPerMinute: 600, windowSeconds: 10, leadMs: 5_000, measureMs: 30_000 })
})
