import { expect, it } from 'vitest'
import { startRedis } from '../support/redis.ts'
import { crowd } from './crowd.ts'

export interface Shares {
  readonly tenants: number
  readonly requestsPerMinute: number
  readonly windowSeconds: 1 | 10
  readonly leadMs: number
  readonly measureMs: number
}

const PROCESSES = 3
const TIMES = 5

export function describeShares(shares: Shares): void {
  const { tenants, requestsPerMinute, windowSeconds, leadMs, measureMs } = shares
  const seconds = measureMs / 1_000
  it(`gives ${tenants} tenants at ${TIMES} times their rate over ${PROCESSES} processes that rate within 5 % for ${seconds} s`, async () => {
    await using redis = await startRedis()
    const { admitted, fallbacks } = await crowd(PROCESSES, {
      redisUrl: redis.url,
      plans: { default: { requestsPerMinute, windowSeconds } },
      replicas: PROCESSES,
      tenants: Array.from({ length: tenants }, (_, at) => `tenant-${at}`),
      perSecond: ((requestsPerMinute / 60) * TIMES) / PROCESSES,
      leadMs,
      measureMs,
    })
    const expected = (requestsPerMinute / 60) * seconds
    expect(fallbacks).toBe(0)
    const off = admitted.map((one) => Math.abs(one - expected) / expected)
    expect(Math.max(...off)).toBeLessThanOrEqual(0.05)
  })
}
