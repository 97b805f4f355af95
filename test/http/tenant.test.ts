import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type HttpWorld, startHttpWorld } from './http-world.ts'

let http: HttpWorld
beforeAll(async () => {
  http = await startHttpWorld(['acme', 'asleep', 'gone'], { world: { limits: { maxResultBytes: 5_000 } } })
  await http.world.change('asleep', (record) => ({ ...record, status: 'suspended', statusReason: 'unpaid' }))
})
afterAll(() => http[Symbol.asyncDispose]())

describe('200', () => {
  it("shows the caller's tenant, the limits that hold for it, and what it uses", async () => {
    const key = await http.tenantKey('acme')
    await http.ask('/v1/query', { key, body: { sql: 'select 1' } })
    const { status, json } = await http.ask('/v1/tenant', { key })
    expect(status).toBe(200)
    expect(json).toEqual({
      id: 'acme',
      status: 'active',
      schemaVersion: null,
      limits: {
        maxRows: 1_000,
        maxResultBytes: 5_000,
        maxStreamBytes: 10_000_000,
        statementTimeoutMs: 10_000,
        maxConnections: null,
        requestsPerMinute: null,
        concurrency: null,
        overrideUntil: null,
      },
      use: {
        connections: { idle: expect.any(Number), leased: 0, opening: 0 },
        waiting: 0,
        requests: { left: null, resetSeconds: 0, active: null },
      },
    })
  })

  it('shows a suspended tenant its status, and not the reason, which is for operators', async () => {
    const { status, json, text } = await http.ask('/v1/tenant', { key: await http.tenantKey('asleep') })
    expect([status, json.status]).toEqual([200, 'suspended'])
    expect(text).not.toContain('unpaid')
  })

  it('names neither server, database nor role', async () => {
    const { text } = await http.ask('/v1/tenant', { key: await http.tenantKey('acme') })
    const { database, role } = http.world.placeOf('acme')
    for (const hidden of [database, role, 'main', String(http.world.server.port)])
      expect(text).not.toContain(hidden)
  })
})

describe('401', () => {
  it('asks for a credential', async () => {
    expect((await http.ask('/v1/tenant')).status).toBe(401)
  })
})

describe('410', () => {
  it('tells a deleted tenant so', async () => {
    await http.world.change('gone', (record) => ({ ...record, status: 'deleting' }))
    const { status, json } = await http.ask('/v1/tenant', { key: await http.tenantKey('gone') })
    expect([status, json.code]).toEqual([410, 'tenant_deleted'])
  })
})
