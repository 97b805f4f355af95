import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { Limiter } from '../../src/limits/limiter.ts'
import type { CountingRedis } from '../../src/limits/slots.ts'
import type { RedisScript } from '../../src/redis/redis-script.ts'
import { openRedis, type RedisConnection } from '../../src/redis.ts'
import { tenantRecord } from '../registry/records.ts'
import { type RedisServer, startRedis } from '../support/redis.ts'
import { ask, limiterOver, rated } from './ground.ts'

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

const acme = tenantRecord('acme')
const two = { default: { concurrency: 2 } }

/** Each test is of another registry, so that it begins at zero. */
let registries = 0
const anew = () => ({ registry: `registry-${++registries}` })

async function held(limiter: Limiter): Promise<Disposable> {
  const admission = await limiter.enter(acme)
  if (!admission.isAdmitted) throw admission.refusal
  return admission.passage
}

describe('a limiter', () => {
  it('lets so many requests in, whichever process they come to, and says when to come again', async () => {
    const own = anew()
    const [one, other] = [
      limiterOver(redis, { plans: rated(3, 60) }, own),
      limiterOver(redis, { plans: rated(3, 60) }, own),
    ]
    expect([await ask(one, acme), await ask(other, acme), await ask(one, acme)]).toEqual(
      Array(3).fill('allowed'),
    )
    const refused = await other.enter(acme)
    expect(refused).toMatchObject({
      isAdmitted: false,
      refusal: { code: 'rate_limited', retryAfterSeconds: expect.any(Number) },
      standing: { basis: 'redis', remaining: 0, active: null },
    })
    expect(await ask(other, tenantRecord('globex'))).toBe('allowed')
    expect(other.stats()).toEqual({
      decisions: { allowed: 2, rate_limited: 1, concurrency_limited: 0, redis_unavailable: 0 },
      fallbacks: 0,
    })
  })

  it('counts of a tenant of the same name in another generation, or registry, nothing', async () => {
    const own = anew()
    const limiter = limiterOver(redis, { plans: rated(1, 60) }, own)
    expect([await ask(limiter, acme), await ask(limiter, acme)]).toEqual(['allowed', 'rate_limited'])
    expect(await ask(limiter, { ...acme, generation: 2 })).toBe('allowed')
    expect(await ask(limiterOver(redis, { plans: rated(1, 60) }, anew()), acme)).toBe('allowed')
    const keys = await server.command('keys', '*')
    expect(String(keys)).toMatch(/tenantry:limits:\{[\w-]{43}\}:requests:60/)
    expect(String(keys)).not.toContain('acme')
  })

  it('lets so many run at once, and the next one when one is over, however often that is said', async () => {
    const limiter = limiterOver(redis, { plans: two }, anew())
    const [first, second] = [await held(limiter), await held(limiter)]
    expect(await ask(limiter, acme)).toBe('concurrency_limited')
    first[Symbol.dispose]()
    first[Symbol.dispose]()
    const third = await held(limiter)
    expect(await ask(limiter, acme)).toBe('concurrency_limited')
    for (const one of [second, third]) one[Symbol.dispose]()
    await vi.waitFor(async () => expect((await limiter.look(acme)).active).toBe(0))
  })

  it('keeps the slot of a request that takes long, and tells what it lost of it again', async () => {
    const own = { ...anew(), slotMs: 400 }
    await using limiter = limiterOver(redis, { plans: two }, own)
    using _one = await held(limiter)
    const beganAt = performance.now()
    const keys = await server.command('keys', '*:slots')
    for (const key of keys as string[]) await server.command('del', key) // as if Redis had lost it
    await vi.waitFor(async () => expect((await limiter.look(acme)).active).toBe(1), 10_000)
    await vi.waitFor(() => expect(performance.now() - beganAt).toBeGreaterThan(1_200), 10_000)
    expect((await limiter.look(acme)).active).toBe(1)
  })

  it('gets the slots of a process that was killed back by themselves', async () => {
    const { registry } = anew()
    const program = resolve(import.meta.dirname, 'holding-process.ts')
    const child = spawn(
      process.execPath,
      ['--import', import.meta.resolve('tsx'), program, server.url, registry],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )
    await once(child.stdout, 'data')
    await using limiter = limiterOver(redis, { plans: two }, { registry, slotMs: 1_000 })
    expect(await ask(limiter, acme)).toBe('concurrency_limited')
    child.kill('SIGKILL')
    await vi.waitFor(async () => expect(await ask(limiter, acme)).toBe('allowed'), 10_000)
  }, 60_000)

  it('lets an override hold until its time, and what was before hold again', async () => {
    let now = Date.parse('2026-05-01T12:00:00.000Z')
    const limiter = limiterOver(redis, { plans: rated(60, 60) }, { ...anew(), now: () => now })
    const record = {
      ...acme,
      requestLimits: { requestsPerMinute: 120, concurrency: 5 },
      limitsOverride: { requestsPerMinute: 6_000, until: '2026-05-01T13:00:00.000Z' },
    }
    const allowed = async () => {
      const { rate, concurrency, overrideUntil } = (await limiter.look(record)).allowance
      return [rate?.requestsPerMinute, concurrency, overrideUntil]
    }
    expect(await allowed()).toEqual([6_000, 5, '2026-05-01T13:00:00.000Z'])
    now += 3_599_999
    expect(await allowed()).toEqual([6_000, 5, '2026-05-01T13:00:00.000Z'])
    now += 1
    expect(await allowed()).toEqual([120, 5, null])
  })

  it('takes what the record says before the plan of its label, and that before the default', async () => {
    const plans = { default: { requestsPerMinute: 60 }, plans: { pro: { requestsPerMinute: 600 }, free: {} } }
    const limiter = limiterOver(undefined, { plans })
    const rateOf = async (change: object) =>
      (await limiter.look(tenantRecord('acme', change))).allowance.rate?.requestsPerMinute
    expect(await rateOf({})).toBe(60)
    expect(await rateOf({ labels: { plan: 'unheard of' } })).toBe(60)
    expect(await rateOf({ labels: { plan: 'toString' } })).toBe(60)
    expect(await rateOf({ labels: { plan: 'pro' } })).toBe(600)
    expect(await rateOf({ labels: { plan: 'free' } })).toBeUndefined()
    expect(await rateOf({ labels: { plan: 'pro' }, limits: { weight: 1, requestsPerSecond: 2 } })).toBe(120)
    const own = { limits: { weight: 1, requestsPerSecond: 2 }, requestLimits: { requestsPerMinute: 7 } }
    expect(await rateOf(own)).toBe(7)
  })
})

describe('a limiter whose Redis is gone', () => {
  /** One that was here, and counts what is sent to it. */
  async function gone() {
    const own = await startRedis()
    const connection = await openRedis(own.url, { deadlineMs: 500, onFault: () => undefined })
    const counting = { sent: 0 }
    const redis: CountingRedis = {
      call: (command, ...args) => connection.call(command, ...args),
      get isAvailable() {
        return connection.isAvailable
      },
      run: (script: RedisScript, keys, args) => {
        counting.sent++
        return connection.run(script, keys, args)
      },
    }
    return { own, connection, redis, counting }
  }

  it('asks it once more, and then decides without it until it is back', async () => {
    const { own, connection, redis: lost, counting } = await gone()
    await using _own = own
    await using _connection = connection
    const limiter = limiterOver(lost, { plans: rated(6_000, 60) }, anew())
    own.freeze()
    const before = counting.sent
    for (let asked = 0; asked < 300; asked++) expect(await ask(limiter, acme)).toBe('allowed')
    expect(counting.sent - before).toBe(1)
    expect(limiter.stats().fallbacks).toBe(300)
    expect((await limiter.enter(acme)).standing.basis).toBe('fallback')
    own.resume()
    await vi.waitFor(async () => expect((await limiter.enter(acme)).standing.basis).toBe('redis'), 10_000)
  })

  it.each([
    ['local', ['allowed', 'allowed', 'rate_limited']],
    ['open', ['allowed', 'allowed', 'allowed']],
    ['closed', Array(3).fill('redis_unavailable')],
  ] as const)('lets in what %s says', async (withoutRedis, expected) => {
    const { own, connection, redis: lost } = await gone()
    await using _own = own
    await using _connection = connection
    await own.kill()
    await vi.waitFor(() => expect(lost.isAvailable).toBe(false))
    const limiter = limiterOver(lost, { plans: rated(6, 60), replicas: 3, withoutRedis }, anew())
    const codes = []
    for (let asked = 0; asked < 3; asked++) codes.push(await ask(limiter, acme))
    expect(codes).toEqual(expected)
    expect(limiter.stats().fallbacks).toBe(3)
  })

  it('counts what it let in before among its share, so that nothing begins anew', async () => {
    const { own, connection, redis: lost } = await gone()
    await using _own = own
    await using _connection = connection
    const limiter = limiterOver(lost, { plans: rated(6, 60), replicas: 2 }, anew())
    for (let asked = 0; asked < 4; asked++) expect(await ask(limiter, acme)).toBe('allowed')
    await own.kill()
    await vi.waitFor(() => expect(lost.isAvailable).toBe(false))
    expect(await ask(limiter, acme)).toBe('rate_limited')
  })

  it('holds no slot for a request that it was not told of', async () => {
    const { own, connection, redis: lost } = await gone()
    await using _own = own
    await using _connection = connection
    await using limiter = limiterOver(
      lost,
      { plans: { default: { concurrency: 1 } } },
      { ...anew(), slotMs: 4_000 },
    )
    own.freeze()
    const waiting = held(limiter) // Redis reads it when it goes on
    ;(await waiting)[Symbol.dispose]()
    own.resume()
    await vi.waitFor(() => expect(lost.isAvailable).toBe(true), 10_000)
    await vi.waitFor(async () => expect(await own.command('keys', '*:slots')).toEqual([]), 3_500)
    expect(await ask(limiter, acme)).toBe('allowed')
  })
})
