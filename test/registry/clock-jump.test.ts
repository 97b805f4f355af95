import { expect, it, vi } from 'vitest'
import type { ServiceWorld } from '../http/service-world.ts'
import { type WallClock, wallClock } from '../support/faketime.ts'
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts'
import { sharedPostgres } from '../support/postgres.ts'
import { startRegistryService } from './registry-service.ts'

const HOUR = 3_600
const seen = { timeout: 10_000, interval: 20 }

const ask = (world: ServiceWorld, key: string, sql: string) => world.ask('/v1/query', { key, body: { sql } })
const pidOf = async (world: ServiceWorld, key: string): Promise<number> =>
  (await ask(world, key, 'select pg_backend_pid() as pid')).json.rows[0].pid

/** Seconds that the service's wall clock is ahead of ours, as its answers say. */
async function ahead(world: ServiceWorld): Promise<number> {
  const { headers } = await world.operate('/livez')
  return (Date.parse(headers.date ?? '') - Date.now()) / 1_000
}

/** Sets the service's clock so many seconds from ours; resolves when it knows. */
async function jump(clock: WallClock, world: ServiceWorld, seconds: number): Promise<void> {
  await clock.shift(seconds)
  await vi.waitFor(async () => expect(Math.abs((await ahead(world)) - seconds)).toBeLessThan(30), seen)
}

async function metric(world: ServiceWorld, name: string): Promise<number> {
  const { text } = await world.operate('/metrics')
  const values = [...text.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, 'gm'))]
  return values.reduce((sum, [, value]) => sum + Number(value), 0)
}

it('a clock that is set an hour ahead, then an hour back, ends no pool, no lease and no deadline early or late', async () => {
  await using clock = await wallClock()
  const ground = await startRegistryService()
  await using world = await ground.serveApart({ ...clock.variables, TENANTRY_STATEMENT_TIMEOUT_MS: '500' })
  const [acme, globex, cold] = await Promise.all([
    world.tenant('acme'),
    world.tenant('globex'),
    world.tenant('cold'),
  ])
  const before = await Promise.all([pidOf(world, acme.key), pidOf(world, globex.key)])
  for (const seconds of [HOUR, -HOUR]) {
    const began = performance.now()
    const short = ask(world, acme.key, 'select pg_sleep(0.2)')
    const long = ask(world, globex.key, 'select pg_sleep(10)')
    await jump(clock, world, seconds)
    expect((await short).status).toBe(200)
    expect((await long).json.code).toBe('statement_timeout')
    expect(performance.now() - began).toBeGreaterThan(450)
    expect(performance.now() - began).toBeLessThan(5_000)
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask(world, acme.key, 'select 1')))
    expect(answers.every(({ status }) => status === 200)).toBe(true)
  }
  const alive = await world.server.query('select pid from pg_stat_activity where pid = any($1)', [before])
  expect(alive).toHaveLength(2)
  expect(await metric(world, 'tenantry_pool_evictions_total')).toBe(0)
  expect(await metric(world, 'tenantry_registry_staleness_seconds')).toBeLessThan(5)
  await world.operate('/v1/tenants/globex/suspend', { method: 'POST' })
  expect((await ask(world, globex.key, 'select 1')).json.code).toBe('tenant_suspended')
  expect((await ask(world, cold.key, 'select 1')).status).toBe(200)
}, 60_000)

/** A tenant that has no connection yet, and whose server is reached by the proxy. */
async function tenantBehind(world: ServiceWorld, id: string, proxy: FaultProxy): Promise<string> {
  const dsn = new URL(await world.database())
  dsn.host = `${proxy.host}:${proxy.port}`
  const { status, text } = await world.operate('/v1/tenants', { body: { id, route: { dsn: dsn.href } } })
  if (status !== 201) throw new Error(text)
  return world.keyFor(id)
}

it('a breaker that is open while the clock is set, of a tenant or of a server, is closed within 2.5 s of what it is open for', async () => {
  await using clock = await wallClock()
  await using proxy = await startFaultProxy(sharedPostgres())
  const ground = await startRegistryService()
  await using world = await ground.serveApart(clock.variables)
  for (const seconds of [HOUR, -HOUR]) {
    const suffix = seconds > 0 ? 'ahead' : 'back'
    const { key: changed, database: role } = await world.tenant(`changed-${suffix}`)
    const behind = await tenantBehind(world, `behind-${suffix}`, proxy)
    const [login] = await world.server.query<{ verifier: string }>(
      'select rolpassword as verifier from pg_authid where rolname = $1',
      [role],
    )
    await world.server.execute(`alter role "${role}" password 'another'`)
    await proxy.setMode('refuse')
    const refused = await Promise.all([changed, behind].map((key) => ask(world, key, 'select 1')))
    expect(refused.map(({ json }) => json.code)).toEqual(['login_failed', 'server_unavailable'])
    expect((await ask(world, behind, 'select 1')).json.code).toBe('circuit_open')
    await jump(clock, world, seconds)
    await world.server.execute(`alter role "${role}" password '${login?.verifier}'`)
    await proxy.setMode('pass')
    const healedAt = performance.now()
    for (const key of [changed, behind])
      await vi.waitFor(async () => expect((await ask(world, key, 'select 1')).status).toBe(200), seen)
    expect(performance.now() - healedAt).toBeLessThan(2_500)
  }
}, 60_000)
