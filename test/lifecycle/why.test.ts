import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { TenantSuspendedError } from '../../src/errors.ts'
import { explainWhy, type Why } from '../../src/lifecycle/why/why.ts'
import { aliasId } from '../../src/registry/alias-record.ts'
import { parseTenantId } from '../../src/tenant/tenant-id.ts'
import { fill } from '../router/fault-ground.ts'
import { freePort } from '../support/free-port.ts'
import { startPostgres } from '../support/postgres.ts'
import { startWorld, type World } from '../support/world.ts'
import { audit } from '../support/world-records.ts'

function whyOf({ registry, directory, router }: World, asked: string): Promise<Why> {
  return explainWhy({ registry, directory, router, baseDomain: 'example.test' }, asked)
}

const refused = (work: Promise<unknown>) =>
  work.then(
    () => 'served',
    (error: unknown) => (error instanceof Error && 'code' in error ? error.code : String(error)),
  )

describe('why, with room for all,', () => {
  let world: World
  beforeAll(async () => {
    world = await startWorld(['acme', 'globex', 'hooli', 'initech'], { limits: { maxConnections: 4 } })
  })
  afterAll(() => world[Symbol.asyncDispose]())

  it('tells of a tenant that is served: its connections, its route without a password, its limits', async () => {
    expect((await whyOf(world, 'acme')).answer[0]).toBe(
      'acme is served; no connection is open now, the next request opens one.',
    )
    using lease = await world.lease('acme')
    await lease.run({ text: 'select 1' })
    lease.release()
    const why = await whyOf(world, 'acme')
    expect(why.answer[0]).toBe('acme is served: 0 connections in use, 1 idle, nobody waits.')
    expect(why).toMatchObject({
      tenant: 'acme',
      registryError: null,
      record: { status: 'active', database: world.placeOf('acme').database },
      server: { id: 'main' },
      directory: { held: { isFresh: true } },
      router: {
        pools: [{ idle: 1, leased: 0, waiting: 0, oldestWaitMs: null }],
        limits: { maxConnections: 4 },
        budgets: { full: null, tenant: { out: 1, limit: 4 } },
        breaker: { state: 'closed', tenant: null },
        refusals: [],
      },
    })
    expect(JSON.stringify(why)).not.toContain(world.placeOf('acme').password)
  })

  it('tells a suspended tenant by its status, and the reason', async () => {
    await world.change('globex', (record) => ({ ...record, status: 'suspended', statusReason: 'unpaid' }))
    expect((await whyOf(world, 'globex')).answer[0]).toMatch(
      /^globex is refused: it is suspended \(unpaid\), says/,
    )
  })

  it('tells a tenant that this process alone refuses', async () => {
    const hold = world.router.hold('hooli', new TenantSuspendedError('its suspension waits for the registry'))
    expect((await whyOf(world, 'hooli')).answer[0]).toBe(
      'hooli is refused by this process, whatever its record says: its suspension waits for the registry.',
    )
    hold[Symbol.dispose]()
    expect((await whyOf(world, 'hooli')).answer[0]).toMatch(/^hooli is served/)
  })

  it('tells a fenced tenant until its record changes', async () => {
    const entry = await world.registry.find('tenant', 'initech')
    await world.execute(
      'initech',
      `create schema tenantry;
       create table tenantry.stamp as select 'globex' as tenant_id, ${entry?.record.generation}::bigint as generation,
         '${randomUUID()}'::uuid as incarnation, 'live' as state;
       grant usage on schema tenantry to public;
       grant select on tenantry.stamp to public`,
    )
    const identity = { kind: 'stamp' as const, incarnation: randomUUID() }
    await world.change('initech', (record) => ({ ...record, identity }))
    expect(await refused(world.lease('initech'))).toBe('identity_mismatch')
    const fenced = await whyOf(world, 'initech')
    expect(fenced.answer[0]).toMatch(
      /^initech is refused since 2.*Z until its record changes: .*stamp is of tenant globex/,
    )
    await world.change('initech', (record) => ({ ...record, epoch: record.epoch + 1 }))
    await vi.waitFor(async () => expect((await whyOf(world, 'initech')).router?.fence).toBeNull())
  })

  it('finds a tenant by its other names, and says what it tried where there is none', async () => {
    const value = 'app.acme.example'
    const createdAt = new Date().toISOString()
    const record = { kind: 'hostname' as const, value, tenant: parseTenantId('acme'), createdAt }
    const id = aliasId('hostname', value)
    await world.registry.commit({ puts: [{ kind: 'alias', id, record }], audit: audit(id) }, [
      { kind: 'alias', id, revision: 0 },
    ])
    for (const name of [value, 'acme.example.test']) expect((await whyOf(world, name)).tenant).toBe('acme')
    const nobody = await whyOf(world, 'nobody')
    expect(nobody).toMatchObject({
      tenant: null,
      tried: [
        { as: 'tenant id', value: 'nobody', found: false },
        { as: 'external id', value: 'nobody', found: false },
      ],
      router: { pools: [], refusals: [] },
    })
    expect(nobody.answer[0]).toBe('"nobody" names no tenant: tried as tenant id, external id.')
  })
})

describe('why, with one connection for all,', () => {
  let world: World
  beforeAll(async () => {
    world = await startWorld(['acme', 'globex', 'hooli'], { maxConnections: 1, maxPools: 5 })
  })
  afterAll(() => world[Symbol.asyncDispose]())

  it('tells who waits, for what is full, and how long the statements of those that have it run', async () => {
    using held = await world.lease('globex')
    const running = refused(held.run({ text: 'select pg_sleep(30)' }))
    const waiting = refused(world.lease('acme', { acquireTimeoutMs: 500 }))
    const why = await whyOf(world, 'acme')
    expect(why.answer[0]).toMatch(
      /^acme is slow because the budget of this process \(1\) is full\. 1 wait, the oldest for \d+ ms\.$/,
    )
    const other = await whyOf(world, 'globex')
    expect(other.router?.pools[0]?.leases).toEqual([
      expect.objectContaining({
        class: 'interactive',
        trust: 'application',
        statementMs: expect.any(Number),
      }),
    ])
    expect(JSON.stringify(other)).not.toContain('pg_sleep')
    expect(await waiting).toBe('acquire_timeout')
    const after = await whyOf(world, 'acme')
    expect(after.answer[0]).toMatch(
      /^acme is refused since 2\d{3}-.*Z \(once\) because the budget of this process \(1\) is full\.$/,
    )
    expect(after.router?.refusals).toMatchObject([{ code: 'acquire_timeout', scope: 'process', count: 1 }])
    await held.cancel()
    await running
  })

  it('counts refusals of one kind together, and the latest kinds apart', async () => {
    using _held = await world.lease('hooli')
    for (let n = 0; n < 3; n += 1) await refused(world.lease('hooli', { acquireTimeoutMs: 5 }))
    expect(await refused(world.lease('acme', { onlyIfWarm: true }))).toBe('not_warm')
    const { router } = await whyOf(world, 'hooli')
    expect(router?.refusals).toMatchObject([{ code: 'acquire_timeout', count: 3 }])
    // Whoever wants no connection opened is not refused for anything that is wrong.
    const acme = (await whyOf(world, 'acme')).router?.refusals ?? []
    expect(acme.map(({ code }) => code)).not.toContain('not_warm')
  })
})

describe('why', () => {
  it('names the budget of the server, and that of the tenant', async () => {
    await using world = await startWorld(['acme', 'globex'], { serverBudget: 1, maxConnectionsPerTenant: 1 })
    using _held = await world.lease('globex')
    const waiting = [refused(world.lease('acme', { acquireTimeoutMs: 300 }))]
    expect((await whyOf(world, 'acme')).answer[0]).toContain('because the budget of server main (1) is full.')
    waiting.push(refused(world.lease('globex', { acquireTimeoutMs: 300 })))
    expect((await whyOf(world, 'globex')).answer[0]).toContain(
      'because it has all the connections that it may have (1).',
    )
    expect(await Promise.all(waiting)).toEqual(['acquire_timeout', 'acquire_timeout'])
  })

  it('names the statement that has the connection of a tenant whose others wait for it', async () => {
    await using world = await startWorld(['acme'], { maxConnectionsPerTenant: 1 })
    using held = await world.lease('acme')
    const running = refused(held.run({ text: 'select pg_sleep(30)' }))
    const waiting = world.lease('acme', { acquireTimeoutMs: 5_000 }).then((next) => next.release())
    await vi.waitFor(
      async () =>
        expect((await whyOf(world, 'acme')).answer[0]).toMatch(
          /that it may have \(1\)\. 1 wait.* Its longest statement has been running for \d\.\d s \(tenantry pool cancel acme ends it\)\.$/,
        ),
      { timeout: 3_500 },
    )
    expect(await world.router.cancel('acme')).toMatchObject({ cancelled: 1 })
    expect(await running).toBe('sql_error')
    held.release()
    await waiting
  })

  it('names the limit of the server itself that turns connections away, while requests wait and once they are refused', async () => {
    await using server = await startPostgres({
      settings: { max_connections: '8', superuser_reserved_connections: '3' },
    })
    await using world = await startWorld(['acme', 'globex'], { server, acquireTimeoutMs: 1_500 })
    const first = async () => (await whyOf(world, 'acme')).answer[0]
    const { role, password } = world.placeOf('globex')
    const strangers = await fill(server.dsn('postgres', role, password))
    const full = /because server main has no place left for new connections \(53300, max_connections\)/
    const turnedAway = refused(world.lease('acme'))
    await vi.waitFor(async () => expect(await first()).toMatch(full), { timeout: 1_400 })
    expect(await first()).toMatch(/^acme is slow .* 1 wait/)
    expect(await turnedAway).toBe('acquire_timeout')
    expect(await first()).toMatch(/^acme is refused since/)
    expect(await first()).toMatch(full)
    await strangers.leave()
    await vi.waitFor(async () => (await world.lease('acme')).release(), 5_000)
    expect(await first()).toMatch(/^acme is served/)
  })

  it('names the limit of its role that turns connections away', async () => {
    await using world = await startWorld(['acme'])
    await world.server.query(`alter role ${world.placeOf('acme').role} connection limit 0`)
    expect(await refused(world.lease('acme', { acquireTimeoutMs: 300 }))).toBe('acquire_timeout')
    expect((await whyOf(world, 'acme')).answer[0]).toMatch(
      /because its role or database on the server has all the connections of its CONNECTION LIMIT \(53300\)/,
    )
  })

  it('tells one whose own keys are refused as served, and that they are', async () => {
    await using world = await startWorld(['acme'])
    const isolation = { isolated: false, findings: ['why'], checkedAt: new Date().toISOString() }
    await world.change('acme', (record) => ({ ...record, isolation }))
    await vi.waitFor(async () =>
      expect(await refused(world.lease('acme', { trust: 'foreign' }))).toBe('role_not_isolated'),
    )
    expect((await whyOf(world, 'acme')).answer[0]).toMatch(
      /^acme is served.* Its own keys may run no SQL \(role_not_isolated\)\.$/,
    )
  })

  it('answers at once while the breaker of its server is open, with the cause and when it is tried again', async () => {
    await using world = await startWorld(['acme'], { address: { host: '127.0.0.1', port: await freePort() } })
    expect(await refused(world.lease('acme'))).toBe('server_unavailable')
    expect(await refused(world.lease('acme'))).toBe('circuit_open')
    const why = await whyOf(world, 'acme')
    expect(why.answer[0]).toMatch(
      /^acme is refused where it needs a new connection: server main cannot be reached for .* now \(.*\); it is tried again (in \d|with the next)/,
    )
    expect(why.router).toMatchObject({
      breaker: { state: 'open' },
      lastOpenFailure: { code: 'server_unavailable' },
      refusals: [{ code: 'circuit_open' }, { code: 'server_unavailable' }],
    })
  })

  it('goes by what this process holds where the registry does not answer', async () => {
    await using world = await startWorld(['acme'])
    using lease = await world.lease('acme')
    lease.release()
    await world.registry.close()
    const why = await whyOf(world, 'acme')
    expect(why).toMatchObject({ tenant: 'acme', registryError: expect.any(String) })
    expect(why.answer[0]).toBe('acme is served: 0 connections in use, 1 idle, nobody waits.')
    expect((await whyOf(world, 'globex')).answer[0]).toContain('names no tenant that this process holds')
  })
})
