import { describe, expect, it, vi } from 'vitest'
import { ServerUnavailableError } from '../../src/errors.ts'
import { Breakers } from '../../src/router/breaker/breakers.ts'
import { EventHub } from '../../src/router/events.ts'
import type { Lease } from '../../src/router/lease.ts'
import type { Suspect } from '../../src/router/pool/retirement.ts'
import { byPresentRoute } from '../../src/router/present-route.ts'
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts'
import { freeze } from '../support/freeze.ts'
import { sharedPostgres } from '../support/postgres.ts'
import { resourcesOfAWorld, resourcesSettledTo } from '../support/resources.ts'
import { startWorld, type World } from '../support/world.ts'
import { outcome, ownRows } from './fault-ground.ts'
import { moveTo } from './faults/another-server.ts'
import { permitsOut } from './settle.ts'

const TENANTS = ['acme', 'globex', 'initech']
/** A goodbye is waited for a second, a look at a silent backend takes another, and on a busy machine more. */
const within15s = { timeout: 15_000, interval: 20 }

const BEHIND = { connectTimeoutMs: 300, serverBudget: 3 }

/** Every tenant has an idle connection. */
async function warm(world: World): Promise<void> {
  for (const tenant of TENANTS) await ownRows(world, tenant)
}

/** The proxy is a black hole, in which every tenant's idle connection was closed. */
async function closeInTheDark(world: World, proxy: FaultProxy): Promise<void> {
  await warm(world)
  await proxy.setMode('black-hole')
  for (const tenant of TENANTS) expect(world.router.evict(tenant)).toBe(1)
  await vi.waitFor(() => expect(world.router.stats().connections.quarantined).toBe(3), within15s)
}

/** The backend of a lease, as if it had been lost. */
async function asSuspect(world: World, { connection, tenant }: Lease): Promise<Suspect> {
  const { record } = (await world.directory.tenant(tenant.id)) ?? {}
  const server = (await world.directory.server('main'))?.record
  if (!record || !server) throw new Error('they are on record')
  const { role, database } = record.route
  return { pid: connection.pid, openedAt: connection.openedAt, role, database, record, server }
}

describe('a connection that is closed while idle, and whose server says nothing', () => {
  it('keeps its permit until the backend has gone', async () => {
    await using world = await startWorld(['acme', 'globex'], { serverBudget: 1 })
    const lease = await world.lease('acme')
    const { pid } = lease.connection
    lease.release()
    freeze(pid)
    try {
      const other = await outcome(world.lease('globex', { acquireTimeoutMs: 1_500 }))
      expect(other.code).toBe('acquire_timeout')
      expect(other.tookMs).toBeLessThan(2_500)
      expect(world.router.stats().servers).toMatchObject([{ quarantined: 1, out: 1 }])
    } finally {
      process.kill(pid, 'SIGCONT')
    }
    await ownRows(world, 'globex')
    expect(world.router.stats().servers).toMatchObject([{ quarantined: 0, out: 1 }])
    expect(await world.sessions()).toBe(1)
  })

  it('is counted as long as it is there: behind a black hole, until that has an end', async () => {
    await using proxy = await startFaultProxy(sharedPostgres())
    await using world = await startWorld(TENANTS, { address: proxy, ...BEHIND })
    await closeInTheDark(world, proxy)
    expect(await world.sessions()).toBe(3)
    await proxy.setMode('pass')
    await vi.waitFor(() => expect(permitsOut(world)).toBe(0), within15s)
    expect(await world.sessions()).toBe(0)
    await warm(world)
  })

  it('keeps no tenant that is moved from there from its connections', async () => {
    await using proxy = await startFaultProxy(sharedPostgres())
    await using world = await startWorld(TENANTS, { address: proxy, ...BEHIND, maxConnectionsPerTenant: 1 })
    await closeInTheDark(world, proxy)
    await moveTo(world, ['acme'], 'sound', sharedPostgres())
    expect(world.router.stats().servers).toContainEqual(
      expect.objectContaining({ server: 'main', quarantined: 3, out: 3 }),
    )
    expect(world.router.stats().connections.out).toBe(1)
    await proxy.setMode('pass')
    await vi.waitFor(() => expect(permitsOut(world)).toBe(1), within15s)
  })

  it('is sought at an address that its server has no more without harm to the breaker, and then given up', async () => {
    await using world = await startWorld(['acme'])
    const lease = await world.lease('acme')
    const suspect = await asSuspect(world, lease)
    const asked: Suspect[] = []
    const seek = byPresentRoute(world.directory, (suspect) => {
      asked.push(suspect)
      return Promise.reject(new ServerUnavailableError('nobody answers'))
    })
    const { server } = suspect
    const signal = AbortSignal.timeout(5_000)
    const elsewhere = { ...server, endpoints: [{ role: 'primary' as const, host: '127.0.0.1', port: 1 }] }
    await expect(seek(suspect, signal)).rejects.toMatchObject({ code: 'server_unavailable' })
    await expect(seek({ ...suspect, server: elsewhere }, signal)).rejects.toMatchObject({
      code: 'unsupported',
    })
    const gone = { ...server, id: 'gone' }
    await expect(seek({ ...suspect, server: gone }, signal)).rejects.toMatchObject({ code: 'unsupported' })
    expect(asked.map(({ isFormer }) => isFormer)).toEqual([undefined, true, true])
    lease.release()
  })

  it('is not taken for a younger one of its role that has its number by now', async () => {
    await using world = await startWorld(['acme'])
    using lease = await world.lease('acme')
    const suspect = await asSuspect(world, lease)
    const isGone = (sought: Suspect) =>
      world.opener.confirmGone(sought, AbortSignal.timeout(5_000), new Breakers(new EventHub()))
    expect(await isGone({ ...suspect, openedAt: suspect.openedAt - 3_600_000 })).toBe(true)
    expect((await lease.run({ text: 'select 1 as one' })).rows).toEqual([{ one: 1 }])
    expect(await isGone(suspect)).toBe(true)
    await vi.waitFor(() => expect(lease.connection.isOpen).toBe(false), within15s)
  })

  it('holds up close() no longer than a goodbye, and leaves nothing in the process', async () => {
    await using proxy = await startFaultProxy(sharedPostgres())
    await using world = await startWorld(TENANTS, { address: proxy, ...BEHIND })
    const before = await resourcesOfAWorld()
    await warm(world)
    await proxy.setMode('black-hole')
    world.router.evict('acme')
    const closing = await outcome(world.router.close())
    expect(closing.code).toBe('ok')
    expect(closing.tookMs).toBeLessThan(2_000)
    expect(permitsOut(world)).toBe(0)
    await proxy.close()
    expect(await resourcesSettledTo(before)).toEqual(before)
  })
})
