import { once } from 'node:events'
import { request } from 'node:http'
import { connect } from 'node:net'
import { describe, expect, it, vi } from 'vitest'
import { Mutations } from '../../src/http/mutations.ts'
import { answerOf, startServiceWorld } from './service-world.ts'

const DRAIN_MS = 300

describe('close()', () => {
  it('is unready first, lets requests under way end, and leaves nothing listening', async () => {
    await using world = await startServiceWorld()
    const { key } = await world.tenant('acme')
    const slow = answerOf(world.open('/v1/query', { key, body: { sql: 'select pg_sleep(1), 1 as one' } }))
    await vi.waitFor(async () => expect((await world.operate('/v1/pools')).json.connections.leased).toBe(1))
    // One that never asked anything must not hold up the rest.
    const { port } = new URL(world.service.url)
    const idle = connect(Number(port), '127.0.0.1')
    await once(idle, 'connect')
    const startedAt = performance.now()
    const closed = world.service.close()
    expect((await world.operate('/readyz')).json).toEqual({ status: 'draining' })
    const { status, json, headers } = await slow
    expect([status, json.rows[0].one, headers.connection]).toEqual([200, 1, 'close'])
    await closed
    expect(performance.now() - startedAt).toBeLessThan(5_000)
    for (const url of [world.service.url, world.service.opsUrl])
      await expect(fetch(url)).rejects.toThrow('fetch failed')
    expect(world.service.close()).toBe(closed)
  })

  it('cuts what has not ended by the deadline, on the database too', async () => {
    await using world = await startServiceWorld({ DRAIN_TIMEOUT_MS: String(DRAIN_MS) })
    const { key, database } = await world.tenant('acme')
    const slow = answerOf(world.open('/v1/query', { key, body: { sql: 'select pg_sleep(20)' } }))
    slow.catch(() => undefined)
    await vi.waitFor(async () => expect((await world.operate('/v1/pools')).json.connections.leased).toBe(1))
    const startedAt = performance.now()
    await world.service.close()
    expect(performance.now() - startedAt).toBeLessThan(DRAIN_MS + 1_000)
    await expect(slow).rejects.toThrow('socket hang up')
    await vi.waitFor(async () => expect(await world.server.sessionsOf(database)).toBe(0))
  })

  it('lets a change under way end on a registry that is still there, and begins no other', async () => {
    await using world = await startServiceWorld()
    await world.tenant('acme')
    const path = '/v1/tenants/acme/suspend'
    const text = JSON.stringify({ reason: 'unpaid' })
    const sent = request(new URL(path, world.service.opsUrl), {
      method: 'POST',
      headers: {
        authorization: `Bearer ${world.asAdmin().key}`,
        'content-length': text.length,
        expect: '100-continue',
      },
    })
    sent.flushHeaders()
    const answer = answerOf(sent)
    await once(sent, 'continue')
    const closed = world.service.close()
    const late = await world.operate(path, { method: 'POST' })
    expect([late.status, late.json.code]).toEqual([503, 'router_closed'])
    sent.end(text)
    const { status, json } = await answer
    expect([status, json.tenant?.statusReason]).toEqual([200, 'unpaid'])
    await closed
  })

  it('waits for a change no longer than the drain timeout', async () => {
    const mutations = new Mutations()
    const never = mutations.run(() => new Promise(() => undefined))
    await mutations.drain(1)
    await expect(mutations.run(async () => undefined)).rejects.toMatchObject({ code: 'router_closed' })
    expect(never).toBeInstanceOf(Promise)
  })

  it('ends the streams of events', async () => {
    await using world = await startServiceWorld()
    const asked = world.open('/v1/pools/events', world.asAdmin())
    const stream = answerOf(asked)
    await once(asked, 'response')
    await world.service.close()
    expect((await stream).text).toContain('event: snapshot')
  })
})

describe('startService', () => {
  it('leaves nothing open when a port is taken', async () => {
    await using world = await startServiceWorld()
    const { port } = new URL(world.service.url)
    await expect(startServiceWorld({ PORT: port })).rejects.toMatchObject({ code: 'EADDRINUSE' })
    await expect(startServiceWorld({ OPS_PORT: port })).rejects.toMatchObject({ code: 'EADDRINUSE' })
  })
})
