import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { effectiveLines, readSettings } from '../../src/config.ts'
import { type ServiceWorld, startServiceWorld } from '../http/service-world.ts'
import { type RedisServer, startRedis } from '../support/redis.ts'

let folder: string
let redis: RedisServer
let world: ServiceWorld
let key: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tenantry-plans-'))
  redis = await startRedis()
  const plans = await file('default: { requestsPerMinute: 60, windowSeconds: 60, concurrency: 2 }')
  world = await startServiceWorld({ REDIS_URL: redis.url, PLANS_FILE: plans, REPLICAS: '2' })
  key = (await world.tenant('acme')).key
})
afterAll(async () => {
  await world?.[Symbol.asyncDispose]()
  await redis?.stop()
  await rm(folder, { recursive: true, force: true })
})

async function file(text: string): Promise<string> {
  const path = join(folder, `${Math.random()}.yaml`)
  await writeFile(path, text)
  return path
}

const ask = () => world.ask('/v1/query', { key, body: { sql: 'select 1' } })
const metric = async (name: string) => {
  const { text } = await world.operate('/metrics')
  return Number(new RegExp(`^${name.replaceAll(/[{}]/g, '\\$&')} (\\d+)$`, 'm').exec(text)?.[1])
}

describe('a service with plans and a Redis', () => {
  it('counts there while that is there, and its own share while it is not, which metrics and log say', async () => {
    // More is left than its share, which is 30. On a busy machine Redis may be too slow at first.
    const first = await vi.waitFor(async () => {
      const answer = await ask()
      expect(answer.headers['ratelimit']).toMatch(/^"requests";r=[345]\d;t=\d+, "concurrency";r=1$/)
      return answer
    })
    expect(first.headers['ratelimit-policy']).toBe(
      '"requests";q=60;w=60, "concurrency";q=2;qu="concurrent-requests"',
    )
    expect(await redis.command('keys', '*')).toContainEqual(expect.stringMatching(/:requests:60$/))
    await vi.waitFor(async () => expect(await redis.command('keys', '*:slots')).toEqual([]), 10_000)
    await redis.kill()
    const before = await metric('tenantry_ratelimit_fallback_total')
    const statuses: number[] = []
    while (statuses.length < 40) statuses.push((await ask()).status)
    const admitted = statuses.filter((status) => status === 200).length
    expect(admitted).toBeGreaterThan(0)
    expect(admitted).toBeLessThan(30)
    expect(statuses.slice(admitted)).toEqual(Array(40 - admitted).fill(429))
    expect(await metric('tenantry_ratelimit_decisions_total{result="rate_limited"}')).toBe(40 - admitted)
    expect(await metric('tenantry_ratelimit_decisions_total{result="allowed"}')).toBeGreaterThan(admitted)
    expect((await metric('tenantry_ratelimit_fallback_total')) - before).toBe(40)
    expect(world.logLines.join('')).toContain('redis is gone')
    const why = async () => (await world.operate('/v1/why/acme')).json.answer
    expect(await why()).toContainEqual(
      expect.stringMatching(/^requests {3}60 a minute \(0 left\), 2 at once .*; plan default; Redis is gone/),
    )
    await redis.restart()
    await vi.waitFor(async () => expect((await ask()).status).toBe(200), 10_000)
  })
})

describe('the file of plans', () => {
  it('is read at the start, and what it comes to is printed', async () => {
    const path = await file('default: { concurrency: 5 }\nplans:\n  pro: { requestsPerMinute: 600 }\n')
    const lines = effectiveLines(readSettings({ TENANTRY_PLANS_FILE: path, TENANTRY_REPLICAS: '3' }))
    expect(lines).toEqual(
      expect.arrayContaining([
        `TENANTRY_PLANS_FILE=${path}`,
        'TENANTRY_REPLICAS=3',
        'default plan: any number of requests per minute, 5 at once',
        'plan "pro": 600 requests per minute, any number at once',
      ]),
    )
  })

  it.each([
    ['is not there', undefined, [/readable file of plans/]],
    ['is not YAML', 'plans: [', [/readable file of plans/]],
    [
      'has several faults',
      'default: { requestsPerMinute: 0, windowSeconds: 7 }\nplans: { free: { perMinute: 5 } }',
      [/default: requestsPerMinute: /, /default: windowSeconds: /, /plans: free: .*perMinute/],
    ],
  ])('stops the start where it %s, with all that is wrong', async (_, text, expected) => {
    const path = text === undefined ? join(folder, 'nothing') : await file(text)
    const variables = { TENANTRY_PLANS_FILE: path, TENANTRY_REPLICAS: '0' }
    const told = thrownBy(() => readSettings(variables))
    for (const fault of [...expected, /TENANTRY_REPLICAS is "0"/]) expect(told).toMatch(fault)
  })

  it('comes with a URL of Redis whose password is never shown', () => {
    const canary = 'hidden-canary'
    const lines = effectiveLines(readSettings({ TENANTRY_REDIS_URL: `redis://:${canary}@redis:6379/1` }))
    expect(lines).toContain('TENANTRY_REDIS_URL=redis://***@redis:6379/1')
    const told = thrownBy(() => readSettings({ TENANTRY_REDIS_URL: `http://:${canary}@redis` }))
    expect(told).toMatch(/TENANTRY_REDIS_URL is \*\*\*/)
    expect(told).not.toContain(canary)
  })
})

function thrownBy(work: () => unknown): string {
  try {
    work()
  } catch (error) {
    return String(error)
  }
  return ''
}
