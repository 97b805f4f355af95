import { randomUUID } from 'node:crypto'
import { createServer, type Socket } from 'node:net'
import { describe, expect, it, vi } from 'vitest'
import { generateMasterKey, MasterKeys } from '../../src/registry/master-keys.ts'
import { Sealer } from '../../src/registry/sealing.ts'
import { Breakers } from '../../src/router/breaker/breakers.ts'
import { EventHub } from '../../src/router/events.ts'
import { RouterOptions } from '../../src/router/options.ts'
import { PoolMap } from '../../src/router/pool/pool-map.ts'
import { type ConfirmGone, Retirement } from '../../src/router/pool/retirement.ts'
import { Slot } from '../../src/router/pool/slot.ts'
import { RouteOpener } from '../../src/router/route-opener.ts'
import { serverRecord, tenantRecord } from '../registry/records.ts'
import { freePort } from '../support/free-port.ts'
import { freeze } from '../support/freeze.ts'
import { sharedPostgres } from '../support/postgres.ts'
import { startWorld, type World } from '../support/world.ts'
import { permitsOut } from './settle.ts'

/** Each look at a backend that hears nothing takes a second, and on a busy machine more. */
const within15s = { timeout: 15_000, interval: 20 }

/** A backend of acme's that hears nothing until the returned value is disposed of, and whose socket is gone. */
async function quarantineOne(world: World, meanwhile?: string): Promise<Disposable> {
  const lease = await world.lease('acme', { leaseTimeoutMs: 200 })
  const { pid } = lease.connection
  const running = lease.run({ text: 'select pg_sleep(30)' })
  await vi.waitFor(() => expect(lease.connection.isBusy).toBe(true), within15s)
  freeze(pid)
  const stopped = { [Symbol.dispose]: () => process.kill(pid, 'SIGCONT') }
  try {
    if (meanwhile) await world.server.execute(meanwhile)
    await expect(running).rejects.toMatchObject({ code: 'outcome_unknown' })
    await vi.waitFor(() => expect(world.router.stats().connections.quarantined).toBe(1), within15s)
    return stopped
  } catch (error) {
    stopped[Symbol.dispose]()
    throw error
  }
}

function sealer(): Sealer {
  return new Sealer(MasterKeys.fromText(generateMasterKey()))
}

function nobodyQuarantined(world: World): Promise<void> {
  return vi.waitFor(() => expect(permitsOut(world)).toBe(0), within15s)
}

describe('a connection destroyed under a statement', () => {
  it('frees its caller within a second of the deadline, and its permit only once the backend has gone', async () => {
    await using world = await startWorld(['acme', 'globex'], { serverBudget: 1 })
    const lease = await world.lease('acme', { leaseTimeoutMs: 200 })
    const { pid } = lease.connection
    const startedAt = performance.now()
    const running = lease.run({ text: 'select pg_sleep(30)' })
    await vi.waitFor(() => expect(lease.connection.isBusy).toBe(true), within15s)
    freeze(pid) // a backend that hears no cancel
    try {
      await expect(running).rejects.toMatchObject({ code: 'outcome_unknown' })
      expect(performance.now() - startedAt).toBeLessThan(1_200)
      await vi.waitFor(() => expect(world.router.stats().connections.quarantined).toBe(1), within15s)
      const other = world.lease('globex', { acquireTimeoutMs: 300 })
      await expect(other).rejects.toMatchObject({ code: 'acquire_timeout' })
      expect(permitsOut(world)).toBe(1)
    } finally {
      process.kill(pid, 'SIGCONT')
    }
    using next = await world.lease('globex')
    expect((await next.run({ text: 'select distinct tenant from notes' })).rows).toEqual([
      { tenant: 'globex' },
    ])
    expect(world.router.stats().servers).toMatchObject([{ quarantined: 0, out: 1 }])
  })

  it('by the server itself gives its permit back at once', async () => {
    await using world = await startWorld(['acme'])
    const lease = await world.lease('acme')
    const running = lease.run({ text: 'select pg_terminate_backend(pg_backend_pid())' })
    await expect(running).rejects.toMatchObject({ code: 'outcome_unknown' })
    await vi.waitFor(() => expect(permitsOut(world)).toBe(0), within15s)
    lease.release()
    expect(world.router.stats().pools).toEqual([])
  })
})

describe('evidence that a backend has gone', () => {
  it('is sought by the route that the tenant has now, and of the role that the backend has', async () => {
    const server = sharedPostgres()
    const successor = `t_role_${randomUUID().replaceAll('-', '')}`
    await using _role = { [Symbol.asyncDispose]: () => server.dropRole(successor) }
    await using world = await startWorld(['acme'])
    const { database, role, password } = world.placeOf('acme')
    await server.createRole(successor, password)
    await server.execute(`grant connect on database ${database} to ${successor}`)
    {
      using _stopped = await quarantineOne(world, `alter role ${role} nologin`)
      await world.change('acme', (record) => ({
        ...record,
        epoch: 2,
        route: { ...record.route, role: successor },
      }))
      await vi.waitFor(async () => {
        using lease = await world.lease('acme')
        expect(lease.tenant.epoch).toBe(2)
      }, within15s)
      // Each look begins with the present route, so a third means that two have ended: somebody is there still.
      const asked = vi.spyOn(world.directory, 'tenant')
      await vi.waitFor(() => expect(asked.mock.calls.length).toBeGreaterThan(2), within15s)
      expect(world.router.stats().connections.quarantined).toBe(1)
    }
    await vi.waitFor(() => expect(world.router.stats().connections.quarantined).toBe(0), within15s)
  })

  it('is that the database has gone', async () => {
    await using world = await startWorld(['acme'])
    const { database, role } = world.placeOf('acme')
    {
      using _stopped = await quarantineOne(world, `alter role ${role} nologin`)
    }
    await vi.waitFor(async () => expect(await world.sessionsOf('acme')).toBe(0), within15s)
    await world.server.dropDatabase(database)
    expect(world.router.stats().connections.quarantined).toBe(1)
    await world.server.execute(`alter role ${role} login`)
    await nobodyQuarantined(world)
  })

  it('is waited for no longer than a minute where nobody is let in to look', async () => {
    await using world = await startWorld(['acme'])
    using _stopped = await quarantineOne(world, `alter role ${world.placeOf('acme').role} nologin`)
    expect(world.router.stats().connections.quarantined).toBe(1)
    const now = performance.now.bind(performance)
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => now() + 61_000)
    try {
      await nobodyQuarantined(world)
    } finally {
      clock.mockRestore()
    }
  })

  it('is sought no more once it is abandoned: the permit is free, and no socket is opened or kept', async () => {
    const sockets = new Set<Socket>()
    let accepted = 0
    await using silent = createServer((socket) => {
      accepted++
      sockets.add(socket)
      socket.on('error', () => {})
      socket.once('close', () => sockets.delete(socket))
      socket.resume()
    })
    const port = await freePort()
    await new Promise<void>((resolve) => silent.listen(port, '127.0.0.1', resolve))
    await using world = await startWorld(['acme'])
    using lease = await world.lease('acme')
    const endpoints = [{ role: 'primary' as const, host: '127.0.0.1', port }]
    const record = tenantRecord('acme', { route: { ...lease.tenant.route, password: null } })
    const pool = new PoolMap(1, () => {}).add(record, 1, { ...serverRecord('main'), endpoints })
    // Far beyond the test's own: what ends in time was aborted.
    const options = RouterOptions.parse({ connectTimeoutMs: 60_000 })
    const opener = new RouteOpener(sealer(), randomUUID(), options)
    const looks: Promise<boolean>[] = []
    const confirmGone: ConfirmGone = (suspect, signal) => {
      const look = opener.confirmGone(suspect, signal, new Breakers(new EventHub()))
      looks.push(look)
      return look
    }
    let gone = 0
    const retirement = new Retirement(confirmGone, new EventHub(), () => gone++)
    for (let i = 0; i < 3; i++) {
      const slot = new Slot(pool, { socketClosed() {}, release() {} }, 'application')
      slot.opened(lease.connection, 0)
      slot.become('closing')
      retirement.openFailed(slot)
    }
    await vi.waitFor(() => expect(sockets.size).toBe(1), within15s)
    retirement.abandonEvidence()
    expect(gone).toBe(3)
    const outcomes = await Promise.allSettled(looks)
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled'])
    await vi.waitFor(() => expect(sockets.size).toBe(0), within15s)
    expect(accepted).toBe(1)
  })
})
