import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { COUNT } from '../../src/limits/count-script.ts'
import type { Quota } from '../../src/limits/rate.ts'
import { SLICES, SlidingWindow } from '../../src/limits/sliding-window.ts'
import { RedisScript } from '../../src/redis/redis-script.ts'
import { openRedis, type RedisConnection } from '../../src/redis.ts'
import { type RedisServer, startRedis } from '../support/redis.ts'
import { faultsOf, runs, timesOf } from './oracle.ts'

let server: RedisServer
let redis: RedisConnection
beforeAll(async () => {
  server = await startRedis()
  redis = await openRedis(server.url, { deadlineMs: 5_000 })
})
afterAll(async () => {
  await redis?.close()
  await server?.stop()
})

/** The script with a clock of ours: seconds and microseconds in two further arguments. */
const AT = new RedisScript(COUNT.source.replace("redis.call('TIME')", '{ARGV[7], ARGV[8]}'))
const SLOT_MS = 10_000

interface Ask {
  readonly slots?: number
  readonly slot?: string
}

async function ask(name: string, { quota, windowMs }: Quota, at: number, { slots = 0, slot = '' }: Ask = {}) {
  const time = [Math.floor(at / 1_000), (at % 1_000) * 1_000]
  const args = [quota, windowMs / SLICES, slots, slot, SLOT_MS, 1, ...time]
  const answer = await redis.run(AT, [`${name}:requests`, `${name}:slots`], args)
  const [result, remaining, resetMs, taken] = (answer as unknown[]).map(Number) // what the script gives
  return { result, remaining, resetMs, taken }
}

describe('the script that counts', () => {
  it('says to every request what the window of one process says, and what the oracle allows', async () => {
    expect(AT.source).not.toBe(COUNT.source)
    await fc.assert(
      fc.asyncProperty(runs, async ({ quota, windowMs, ...run }) => {
        const [name, window] = [randomUUID(), new SlidingWindow(windowMs)]
        const asked = []
        for (const at of timesOf(run).map((one) => one + 1_700_000_000_000)) {
          const { result, remaining, resetMs } = await ask(name, { quota, windowMs }, at)
          const own = window.take({ quota }, at)
          expect({ isTaken: result === 0, remaining, resetMs }).toEqual(own)
          asked.push({ at, isTaken: result === 0 })
        }
        expect(faultsOf(asked, { quota, windowMs })).toEqual([])
      }),
      { numRuns: 60 },
    )
  })

  it('lets a clock that was set back keep nobody out', async () => {
    const [name, quota] = [randomUUID(), { quota: 2, windowMs: 60_000 }]
    const now = 1_700_000_000_000
    const results = async (at: number, slot: string) =>
      (await ask(name, quota, at, { slots: 2, slot: `${slot}-${at}` })).result
    expect([await results(now, 'a'), await results(now, 'b'), await results(now, 'c')]).toEqual([0, 0, 1])
    const before = now - 3_600_000
    expect([await results(before, 'a'), await results(before, 'b'), await results(before, 'c')]).toEqual([
      0, 0, 1,
    ])
  })

  it('gives no more slots than there are, and those again that ran out', async () => {
    const [name, now] = [randomUUID(), 1_700_000_000_000]
    const enter = async (at: number, slot: string) =>
      ask(name, { quota: 0, windowMs: 1_000 }, at, { slots: 2, slot })
    expect(await enter(now, 'a')).toMatchObject({ result: 0, taken: 1 })
    expect(await enter(now + 5_000, 'b')).toMatchObject({ result: 0, taken: 2 })
    expect(await enter(now + SLOT_MS - 1, 'c')).toMatchObject({ result: 2, taken: 2 })
    expect(await enter(now + SLOT_MS, 'c')).toMatchObject({ result: 0, taken: 2 })
  })

  it('counts no request that has no slot, and takes no slot for one over the rate', async () => {
    const [name, now] = [randomUUID(), 1_700_000_000_000]
    const enter = async (slot: string) => ask(name, { quota: 2, windowMs: 60_000 }, now, { slots: 1, slot })
    expect(await enter('a')).toMatchObject({ result: 0, remaining: 1 })
    expect(await enter('b')).toMatchObject({ result: 2, remaining: 1, taken: 1 })
    await redis.call('zrem', `${name}:slots`, 'a')
    expect(await enter('c')).toMatchObject({ result: 0, remaining: 0 })
    await redis.call('zrem', `${name}:slots`, 'c')
    expect(await enter('d')).toMatchObject({ result: 1, taken: 0 })
  })
})
