import { EventEmitter, once } from 'node:events'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { RedisOptions } from '../../src/redis.ts'
import { createCache, type TenantCache } from '../../src/scope/cache.ts'
import type { RedisServer } from '../support/redis.ts'
import { describeOutageCost, eachMs } from './outage-cost.ts'
import { type ScopeGround, startScopes } from './scope-ground.ts'

/** As an application has it where it says nothing. */
const { deadlineMs: DEADLINE_MS } = RedisOptions.parse({})
/** What a busy machine may add. */
const BUSY_MS = 1_000

let ground: ScopeGround
let acme: TenantCache
beforeAll(async () => {
  ground = await startScopes(DEADLINE_MS)
})
beforeEach(async () => {
  acme = createCache({ redis: ground.redis, router: ground.world.router }).forTenant('acme')
  await isKept()
})
afterEach(async () => {
  if (ground.server.isRunning) ground.server.resume()
  else await ground.server.restart()
})
afterAll(() => ground[Symbol.asyncDispose]())

/** It answers, and takes nothing; how it begins and ends. */
const REFUSALS: readonly (readonly [
  string,
  (server: RedisServer) => Promise<unknown>,
  (server: RedisServer) => Promise<unknown>,
])[] = [
  [
    'is full',
    (server) => server.command('config', 'set', 'maxmemory', '1'),
    (server) => server.command('config', 'set', 'maxmemory', '0'),
  ],
  [
    'may only be read',
    (server) => server.command('replicaof', '127.0.0.1', '1'),
    (server) => server.command('replicaof', 'no', 'one'),
  ],
]

const isKept = () =>
  vi.waitFor(async () => {
    if (!(await acme.set('k', 'kept'))) throw new Error('it is not kept')
  }, 10_000)
const isBack = () =>
  vi.waitFor(async () => {
    await acme.set('probe', 1)
    expect(await acme.get('probe')).toBe(1)
  }, 10_000)

describe('a cache whose Redis', () => {
  it('was killed misses at once, loads, and keeps again when it is back', async () => {
    await ground.server.kill()
    const took = await eachMs(50, async () => {
      expect(await acme.get('k')).toBeUndefined()
      expect(await acme.getOrLoad('k', {}, () => 'loaded')).toBe('loaded')
      expect(await acme.set('k', 1)).toBe(false)
    })
    expect(Math.max(...took)).toBeLessThan(DEADLINE_MS + BUSY_MS)
    expect(median(took)).toBeLessThan(DEADLINE_MS / 2)
    await ground.server.restart()
    await isBack()
  })

  it('is stopped costs one deadline, then nothing, and is used again when it goes on', async () => {
    ground.server.freeze()
    const atOnce = await Promise.all(Array.from({ length: 10 }, () => eachMs(1, () => acme.get('k'))))
    expect(Math.max(...atOnce.flat())).toBeLessThan(DEADLINE_MS + BUSY_MS)
    const took = await eachMs(100, async () => {
      expect(await acme.getOrLoad('k', {}, () => 'loaded')).toBe('loaded')
    })
    expect(median(took)).toBeLessThan(DEADLINE_MS / 2)
    ground.server.resume()
    await isBack()
    expect(await acme.get('k')).toBe('kept')
  })

  it('did not hear of a delete shows nothing old when it is back', async () => {
    ground.server.freeze()
    await vi.waitFor(() => acme.get('k').then(() => expect(ground.redis.isAvailable).toBe(false)))
    expect(await acme.delete('k')).toBe(false)
    ground.server.resume()
    await vi.waitFor(() => expect(ground.redis.isAvailable).toBe(true), 10_000)
    expect(await acme.get('k')).toBeUndefined()
    await isBack()
    expect(await acme.get('k')).toBeUndefined()
  })

  it.each(REFUSALS)(
    '%s keeps nothing, loads, and shows nothing that was deleted, though it could be read',
    async (_, refuse, take) => {
      await refuse(ground.server)
      try {
        await vi.waitFor(async () => expect(await acme.get('k')).toBe('kept'))
        expect(await acme.set('k', 'new')).toBe(false)
        expect(await acme.delete('k')).toBe(false)
        expect(await acme.get('k')).toBeUndefined()
        expect(await acme.getOrLoad('k', {}, () => 'loaded')).toBe('loaded')
      } finally {
        await take(ground.server)
      }
      await isBack()
      expect(await acme.get('k')).toBeUndefined()
    },
  )

  it('is gone lets nobody join a load that began before a delete', async () => {
    await ground.server.kill()
    const ends = new EventEmitter()
    const load = vi.fn<() => Promise<unknown[]>>(() => once(ends, 'old'))
    const before = acme.getOrLoad('k', {}, load)
    await vi.waitFor(() => expect(load).toHaveBeenCalledOnce())
    await acme.delete('k')
    expect(await acme.getOrLoad('k', {}, () => 'new')).toBe('new')
    ends.emit('old', 1)
    expect(await before).toEqual([1])
  })

  it('is gone still loads once for all who ask', async () => {
    await ground.server.kill()
    let end = () => {}
    const all = new Promise<void>((resolve) => {
      end = resolve
    })
    let loads = 0
    const load = async () => {
      loads++
      await all
      return loads
    }
    const asked = Array.from({ length: 20 }, () => acme.getOrLoad('k', {}, load))
    await vi.waitFor(() => expect(loads).toBe(1))
    await acme.get('k') // as far as all of them are by now
    end()
    expect(new Set(await Promise.all(asked))).toEqual(new Set([1]))
  })
})

// Not the 50 ms of the long run: others use this machine.
describeOutageCost(() => ground, { requests: 50, mostAddedMs: BUSY_MS })

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]
