import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { type ServiceWorld, startServiceWorld } from './service-world.ts'

let world: ServiceWorld
let key: string
beforeAll(async () => {
  world = await startServiceWorld()
  key = (await world.tenant('globex')).key
})
afterAll(() => world[Symbol.asyncDispose]())

const patch = (id: string, body: unknown) => world.operate(`/v1/tenants/${id}`, { method: 'PATCH', body })
const limitsNow = async () => (await world.ask('/v1/tenant', { key })).json.limits

describe('PATCH /v1/tenants/:id', () => {
  it('gives a tenant requests of its own, and for a time, and tells them beside the others', async () => {
    const until = new Date(Date.now() + 3_600_000).toISOString()
    const { json } = await patch('globex', {
      limits: { requestsPerMinute: 600, concurrency: 4 },
      override: { requestsPerMinute: 6_000, until },
    })
    expect(json.changes).toEqual([
      { field: 'limits.concurrency', from: null, to: 4 },
      { field: 'limits.requestsPerMinute', from: null, to: 600 },
      { field: 'override.requestsPerMinute', from: null, to: 6_000 },
      { field: 'override.until', from: null, to: until },
    ])
    const shown = (await world.operate('/v1/tenants/globex')).json
    expect(shown).toMatchObject({
      requestLimits: { requestsPerMinute: 600, concurrency: 4 },
      limitsOverride: { requestsPerMinute: 6_000, until },
    })
    const held = { requestsPerMinute: 6_000, concurrency: 4, overrideUntil: until }
    await vi.waitFor(async () => expect(await limitsNow()).toMatchObject(held))
    await patch('globex', { limits: { concurrency: null }, override: null })
    const rest = { requestsPerMinute: 600, concurrency: null, overrideUntil: null }
    await vi.waitFor(async () => expect(await limitsNow()).toMatchObject(rest))
  })

  it('counts requests per second, as earlier versions wrote them, by the minute, and keeps one of the two', async () => {
    const own = async (limits: object) => (await patch('globex', { limits })).json.tenant
    expect(await own({ requestsPerSecond: 2.5 })).toMatchObject({
      limits: { requestsPerSecond: 2.5 },
      requestLimits: {},
    })
    await vi.waitFor(async () => expect((await limitsNow()).requestsPerMinute).toBe(150))
    const after = await own({ requestsPerMinute: 90 })
    expect([after.limits.requestsPerSecond, after.requestLimits]).toEqual([
      undefined,
      { requestsPerMinute: 90 },
    ])
    const gone = await own({ requestsPerMinute: null })
    expect([gone.limits.requestsPerSecond, gone.requestLimits]).toEqual([undefined, {}])
  })

  it.each([
    [
      'an override that is over',
      { override: { requestsPerMinute: 5, until: '2020-01-01T00:00:00.000Z' } },
      400,
    ],
    ['an override of nothing', { override: { until: '2099-01-01T00:00:00.000Z' } }, 400],
    ['an override without an end', { override: { requestsPerMinute: 5 } }, 400],
    ['a rate in two ways', { limits: { requestsPerMinute: 60, requestsPerSecond: 1 } }, 400],
    ['half a request', { limits: { requestsPerMinute: 0.5 } }, 400],
  ])('refuses %s', async (_, body, status) => {
    expect((await patch('globex', body)).status).toBe(status)
  })
})
