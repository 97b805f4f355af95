import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { parseTenantId } from '../../src/tenant/tenant-id.ts'
import { type Ask, BASE_DOMAIN, type HttpWorld, startHttpWorld, withoutRequestId } from './http-world.ts'

const QUERY = '/v1/query'
let http: HttpWorld
let acmeKey: string
let serviceKey: string

beforeAll(async () => {
  http = await startHttpWorld(['acme', 'globex', 'asleep', 'shared-role'])
  await http.world.change('asleep', (record) => ({ ...record, status: 'suspended' }))
  await http.world.change('shared-role', (record) => ({ ...record, isolation: null }))
  await http.alias('data.customer.test', 'globex')
  acmeKey = await http.tenantKey('acme')
  serviceKey = await http.serviceKey()
})
afterAll(() => http[Symbol.asyncDispose]())

const asAcme = (body: unknown, ask: Ask = {}) => http.ask(QUERY, { key: acmeKey, body, ...ask })
const asService = (tenant: string, body: unknown) =>
  http.ask(QUERY, { key: serviceKey, body, headers: { 'x-tenant-id': tenant } })

describe('401', () => {
  const unauthorized = async (headers: Record<string, string>) => {
    const answer = await http.ask(QUERY, { body: { sql: 'select 1' }, headers })
    expect(answer.headers.get('www-authenticate')).toBe('Bearer')
    expect(answer.status).toBe(401)
    return withoutRequestId(answer)
  }

  it('reads the same for every credential that is none, so that nothing is learnt from it', async () => {
    const id = acmeKey.slice(3, 15)
    const wrongSecret = `tk_${id}_${'A'.repeat(43)}`
    const unknownId = `tk_${'z'.repeat(12)}_${'A'.repeat(43)}`
    const revoked = await http.tenantKey('acme', { revokedAt: new Date().toISOString() })
    const expired = await http.tenantKey('acme', { expiresAt: new Date(Date.now() - 1000).toISOString() })
    const reborn = await http.key({ kind: 'tenant', tenant: parseTenantId('acme'), generation: 999_999 })
    const gone = await http.key({ kind: 'tenant', tenant: parseTenantId('gone'), generation: 1 })
    const operator = await http.operatorKey('admin')
    const keys = [wrongSecret, unknownId, revoked, expired, reborn, gone, operator, 'tk_x_y', 'x']
    const bodies = [await unauthorized({})]
    for (const key of keys) bodies.push(await unauthorized({ authorization: `Bearer ${key}` }))
    bodies.push(await unauthorized({ authorization: `Basic ${acmeKey}` }))
    bodies.push(await unauthorized({ authorization: acmeKey }))
    expect(new Set(bodies).size).toBe(1)
  })

  it('refuses a revoked key within a second of its revocation', async () => {
    const key = await http.tenantKey('acme')
    expect((await asAcme({ sql: 'select 1' }, { key })).status).toBe(200)
    const entry = await http.world.registry.find('key', key.slice(3, 15))
    if (!entry) throw new Error('the key is not there')
    await http.world.registry.commit(
      {
        puts: [
          { kind: 'key', id: entry.id, record: { ...entry.record, revokedAt: new Date().toISOString() } },
        ],
        audit: {
          actor: 'test',
          action: 'revoke',
          target: entry.id,
          at: new Date().toISOString(),
          detail: {},
        },
      },
      [{ kind: 'key', id: entry.id, revision: entry.revision }],
    )
    await vi.waitFor(async () => expect((await asAcme({ sql: 'select 1' }, { key })).status).toBe(401), 1_000)
  })
})

describe('403', () => {
  it('tells a suspended tenant so, by its own key and by a service key', async () => {
    const own = await http.ask(QUERY, { key: await http.tenantKey('asleep'), body: { sql: 'select 1' } })
    expect([own.status, own.json.code]).toEqual([403, 'tenant_suspended'])
    const service = await asService('asleep', { sql: 'select 1' })
    expect([service.status, service.json.code]).toEqual([403, 'tenant_suspended'])
  })

  it('refuses foreign SQL on a role that is not isolated, and serves the service key', async () => {
    const key = await http.tenantKey('shared-role')
    const { status, json } = await http.ask(QUERY, { key, body: { sql: 'select 1' } })
    expect([status, json.code]).toEqual([403, 'role_not_isolated'])
    expect((await asService('shared-role', { sql: 'select 1 as one' })).json.rows).toEqual([{ one: 1 }])
  })

  it('refuses a read-only key that asks to write', async () => {
    const key = await http.tenantKey('acme', { readOnly: true })
    const { status, json } = await asAcme({ sql: 'select 1', readOnly: false }, { key })
    expect([status, json.code]).toEqual([403, 'forbidden'])
  })
})

describe('404', () => {
  it('reads the same for tenants that are unknown, foreign, suspended or not for this key', async () => {
    const limited = await http.key({ kind: 'service', labels: { plan: 'pro' } })
    const body = { sql: 'select 1' }
    const answers = [
      await asService('nobody', body),
      await asService('xn--80ak6aa92e', body),
      await asService('constructor', body),
      await http.ask(QUERY, { key: limited, body, headers: { 'x-tenant-id': 'acme' } }),
      await http.ask(QUERY, { key: limited, body, headers: { 'x-tenant-id': 'asleep' } }),
      await http.ask(QUERY, { key: limited, body, host: `nobody.${BASE_DOMAIN}` }),
      await asAcme(body, { headers: { 'x-tenant-id': 'globex' } }),
      await asAcme(body, { headers: { 'x-tenant-id': 'nobody' } }),
      await asAcme(body, { headers: { 'x-tenant-id': 'asleep' } }),
      await asAcme(body, { host: `globex.${BASE_DOMAIN}` }),
      await asAcme(body, { host: 'data.customer.test' }),
      await http.ask(QUERY, {
        key: serviceKey,
        body,
        host: `acme.${BASE_DOMAIN}`,
        headers: { 'x-tenant-id': 'globex' },
      }),
    ]
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([404]))
    const bodies = answers.map(withoutRequestId)
    expect(new Set(bodies).size).toBe(1)
    expect(answers[0]?.json).toMatchObject({ code: 'tenant_unknown', detail: 'There is no such tenant.' })
  })

  it('serves a service key with labels the tenants that have them all', async () => {
    await http.world.change('globex', (record) => ({ ...record, labels: { plan: 'pro', region: 'eu' } }))
    const key = await http.key({ kind: 'service', labels: { plan: 'pro' } })
    const ask = () =>
      http.ask(QUERY, { key, body: { sql: 'select 1 as one' }, headers: { 'x-tenant-id': 'globex' } })
    await vi.waitFor(async () => expect((await ask()).json.rows).toEqual([{ one: 1 }]))
  })

  it('is a problem for a path that is no route', async () => {
    const { status, json } = await http.ask('/v1/nothing', { key: acmeKey })
    expect([status, json.code]).toEqual([404, 'not_found'])
    expect((await http.ask('/nothing')).json.code).toBe('not_found')
  })
})

describe('410', () => {
  it('tells a deleted tenant so', async () => {
    const key = await http.tenantKey('globex')
    await http.world.change('globex', (record) => ({ ...record, status: 'deleting' }))
    await vi.waitFor(async () => {
      const { status, json } = await http.ask(QUERY, { key, body: { sql: 'select 1' } })
      expect([status, json.code]).toEqual([410, 'tenant_deleted'])
    })
  })
})
