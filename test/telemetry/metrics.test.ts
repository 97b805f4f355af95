import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { type HttpWorld, startHttpWorld } from '../http/http-world.ts'

let http: HttpWorld
let serviceKey: string
beforeAll(async () => {
  http = await startHttpWorld(['acme', 'globex', 'initech', 'other'], {
    topTenants: 1,
    world: { acquireTimeoutMs: 200 },
  })
  serviceKey = await http.serviceKey()
})
afterAll(() => http[Symbol.asyncDispose]())

const query = (tenant: string, sql = 'select 1') =>
  http.ask('/v1/query', { key: serviceKey, body: { sql }, headers: { 'x-tenant-id': tenant } })

/** `name{labels}` → value. */
async function series(): Promise<Map<string, number>> {
  const text = await http.metrics.text()
  http.keep(text)
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]))
}

describe('metrics', () => {
  it('count what happened, and show what is', async () => {
    await query('acme')
    await query('acme')
    await query('globex')
    await query('nobody')
    const now = await series()
    expect(now.get('tenantry_leases_total')).toBe(3)
    expect(now.get('tenantry_pools')).toBe(2)
    expect(now.get('tenantry_pool_create_seconds_count')).toBe(2)
    expect(now.get('tenantry_pool_wait_seconds_count')).toBe(3)
    expect(now.get('tenantry_pool_connections{server="main",state="idle"}')).toBe(2)
    expect(now.get('tenantry_pool_connections{server="main",state="leased"}')).toBe(0)
    expect(now.get('tenantry_pool_connections_limit{server="main"}')).toBe(100)
    expect(now.get('tenantry_connections_limit')).toBe(100)
    expect(now.get('tenantry_request_duration_seconds_count{route="/v1/query",status="200"}')).toBe(3)
    expect(now.get('tenantry_request_duration_seconds_count{route="/v1/query",status="404"}')).toBe(1)
    expect(now.get(`tenantry_build_info{version="0.0.0",node="${process.version}"}`)).toBe(1)
    expect(now.get('tenantry_registry_staleness_seconds')).toBeGreaterThanOrEqual(0)
  })

  it('name the tenants with the most connections only, and nobody by a path', async () => {
    await query('initech')
    await http.ask('/v1/canary-path/../../x')
    const names = [...(await series()).keys()]
    expect(names.filter((name) => name.startsWith('tenantry_tenant_connections'))).toHaveLength(2)
    expect(names).toContain('tenantry_tenant_connections{tenant="other"}')
    expect(names.join()).not.toContain('canary')
  })

  it('forget a tenant and a server with their last connection, and say why a pool ended', async () => {
    for (const tenant of ['acme', 'globex', 'initech']) http.world.router.evict(tenant)
    await vi.waitFor(async () => {
      const now = await series()
      expect(now.get('tenantry_pools')).toBe(0)
      expect(now.get('tenantry_pool_evictions_total{reason="operator"}')).toBe(3)
      expect([...now.keys()].filter((name) => name.includes('tenant=') || name.includes('server='))).toEqual(
        [],
      )
    }, 10_000)
  })

  it('count callers that got no connection in time, by the budget that was full', async () => {
    await http.world.change('acme', (record) => ({ ...record, limits: { weight: 1, maxConnections: 1 } }))
    using _lease = await vi.waitFor(async () => {
      const lease = await http.world.lease('acme')
      if (lease.tenant.limits.maxConnections === 1) return lease
      lease.release()
      throw new Error('the change is not known yet')
    }, 10_000)
    // Counted from here: on a busy machine the lease itself may have come too late once.
    const before = await series()
    const { status, headers } = await query('acme')
    expect([status, headers.get('retry-after')]).toEqual([503, '1'])
    const now = await series()
    for (const name of ['timeouts_total{scope="tenant"}', 'refusals_total{code="acquire_timeout"}']) {
      const counted = (of: Map<string, number>) => of.get(`tenantry_pool_${name}`) ?? 0
      expect(counted(now) - counted(before)).toBe(1)
    }
  })

  it('count a tenant of the name other among all others, however many connections it has', async () => {
    using _one = await http.world.lease('other')
    using _two = await http.world.lease('other')
    await query('globex')
    const now = await series()
    const named = [...now.keys()].filter((name) => name.startsWith('tenantry_tenant_connections{'))
    expect(named).toHaveLength(2)
    expect(now.get('tenantry_tenant_connections{tenant="other"}')).toBeGreaterThanOrEqual(2)
  })
})
