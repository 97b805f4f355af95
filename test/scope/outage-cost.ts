import { describe, expect, it, vi } from 'vitest'
import { createCache } from '../../src/scope/cache.ts'
import { createJobs } from '../../src/scope/jobs.ts'
import type { RedisServer } from '../support/redis.ts'
import type { ScopeGround } from './scope-ground.ts'

interface OutageCost {
  /** One after the other, of each kind, before and after. */
  readonly requests: number
  /** So much longer than the slowest before the slowest afterwards may take, ms. */
  readonly mostAddedMs: number
}

const LOSSES: readonly (readonly [string, (server: RedisServer) => unknown])[] = [
  ['is killed', (server) => server.kill()],
  ['is stopped', (server) => server.freeze()],
]

/** @param groundOf whose connection has the deadline of an application. */
export function describeOutageCost(groundOf: () => ScopeGround, { requests, mostAddedMs }: OutageCost): void {
  describe('a Redis that', () => {
    it.each(LOSSES)(
      `%s adds at most ${mostAddedMs} ms to what uses a cache, or runs jobs`,
      async (_, lose) => {
        const { redis, server, world } = groundOf()
        const cache = createCache({ redis, router: world.router }).forTenant('acme')
        const jobs = createJobs({ router: world.router, redis, key: 'a key of these jobs: 32 characters' })
        const job = await jobs.seal('report', 1, { tenant: 'acme' })
        const once = async () => {
          expect(await cache.getOrLoad('cost', {}, () => 1)).toBe(1)
          await jobs.run(job, () => 1).catch((refusal: unknown) => refusal) // it has run, or nobody can know
        }
        await vi.waitFor(async () => expect(await cache.set('cost', 1)).toBe(true), 10_000)
        const before = await eachMs(requests, once)
        try {
          const lost = lose(server)
          const after = await eachMs(requests, once)
          await lost
          await vi.waitFor(() => expect(redis.isAvailable).toBe(false))
          expect(Math.max(...after) - Math.max(...before)).toBeLessThanOrEqual(mostAddedMs)
        } finally {
          if (server.isRunning) server.resume()
          else await server.restart()
          await vi.waitFor(() => expect(redis.isAvailable).toBe(true), 10_000)
        }
      },
    )
  })
}

/** Milliseconds of each of so many, one after the other. */
export async function eachMs(times: number, work: () => Promise<unknown>): Promise<number[]> {
  const took: number[] = []
  for (let at = 0; at < times; at++) {
    const before = performance.now()
    await work()
    took.push(performance.now() - before)
  }
  return took
}
