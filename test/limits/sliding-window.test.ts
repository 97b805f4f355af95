import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { rateOf, shareOf, WINDOW_SECONDS } from '../../src/limits/rate.ts'
import { SlidingWindow } from '../../src/limits/sliding-window.ts'
import { faultsOf, runs, timesOf } from './oracle.ts'

describe('a sliding window', () => {
  it('holds no more than the quota wherever it lies, and refuses only who has used it up', () => {
    fc.assert(
      fc.property(runs, ({ quota, windowMs, ...run }) => {
        const window = new SlidingWindow(windowMs)
        const asked = timesOf(run).map((at) => ({ at, isTaken: window.take({ quota }, at).isTaken }))
        expect(faultsOf(asked, { quota, windowMs })).toEqual([])
      }),
      { numRuns: 500 },
    )
  })

  it('gives who asks without end the quota of each window, less a fiftieth at most', () => {
    const window = new SlidingWindow(10_000)
    let taken = 0
    for (let at = 0; at < 600_000; at++) taken += window.take({ quota: 100 }, at).isTaken ? 1 : 0
    expect(taken).toBeLessThanOrEqual(6_000)
    expect(taken).toBeGreaterThanOrEqual(Math.floor((6_000 * 50) / 51))
  })

  it('says when some of what was used comes back, and means it', () => {
    fc.assert(
      fc.property(runs, ({ quota, windowMs, ...run }) => {
        const window = new SlidingWindow(windowMs)
        for (const at of timesOf(run)) window.take({ quota }, at)
        const now = timesOf(run).at(-1) ?? 0
        const { isTaken, remaining, resetMs } = window.look({ quota }, now)
        expect(isTaken).toBe(remaining > 0)
        expect(resetMs).toBeLessThanOrEqual(windowMs * 1.02)
        expect(window.look({ quota }, now + resetMs).remaining).toBeGreaterThan(isTaken ? 0 : remaining)
      }),
    )
  })
})

describe('a rate', () => {
  it('is held by whole requests in whole shares of a minute, which add up to it', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 10_000_000 }),
        fc.constantFrom(...WINDOW_SECONDS),
        (rpm, least) => {
          const { quota, windowSeconds } = rateOf(rpm, least)
          expect(windowSeconds).toBeGreaterThanOrEqual(least)
          expect([quota % 1, 60 % windowSeconds, (quota * 60) / windowSeconds]).toEqual([0, 0, rpm])
        },
      ),
    )
  })

  it.each([
    [600, 10, 100, 10],
    [100, 10, 20, 12],
    [7, 10, 7, 60],
    [30, 60, 30, 60],
  ])('of %i a minute over %i s or more is %i in %i s', (rpm, least, quota, windowSeconds) => {
    expect(rateOf(rpm, least)).toEqual({ requestsPerMinute: rpm, quota, windowSeconds })
  })

  it('is never passed by the shares of all processes together', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5_000 }), fc.integer({ min: 1, max: 50 }), (rpm, replicas) => {
        const rate = rateOf(rpm, 10)
        const { quota, windowMs } = shareOf(rate, replicas)
        expect(quota).toBeGreaterThanOrEqual(1)
        expect((quota * replicas) / windowMs).toBeLessThanOrEqual(rate.quota / (rate.windowSeconds * 1_000))
      }),
    )
  })
})
