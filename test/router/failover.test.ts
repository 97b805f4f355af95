import { connect, createServer, type Socket } from 'node:net'
import { describe, expect, it, vi } from 'vitest'
import { WriteRefusals } from '../../src/router/breaker/write-refusals.ts'
import { parseTenantId } from '../../src/tenant/tenant-id.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { sharedPostgres, startPostgres } from '../support/postgres.ts'
import { restartAsStandby } from '../support/standby.ts'
import { startWorld, type World } from '../support/world.ts'
import { Names, outcome, ownRows } from './fault-ground.ts'

let id = 1_000
/** Of a name that may be kept for no time at all. */
const within2s = { timeout: 2_000, interval: 20 }

async function write(world: World, tenant = 'acme'): Promise<void> {
  using lease = await world.lease(tenant)
  await lease.run({ text: `insert into notes values (${id++}, '${tenant}', 'w')` })
}

/** Counts connections from now on. */
function openings(world: World): { opened: number } {
  const seen = { opened: 0 }
  world.router.on('opened', () => seen.opened++)
  return seen
}

/** The same port on another address of this machine, which leads to the shared server. */
async function startSecondAddress(port: number) {
  const target = sharedPostgres()
  let accepted = 0
  const sockets = new Set<Socket>()
  const listener = createServer((client) => {
    accepted++
    const server = connect({ host: target.host, port: target.port })
    for (const socket of [client, server]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.once('close', () => sockets.delete(socket))
    }
    client.pipe(server).pipe(client)
  })
  await new Promise<void>((resolve) => listener.listen({ port, host: '127.0.0.2' }, resolve))
  return {
    accepted: () => accepted,
    [Symbol.dispose]: () => {
      listener.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

describe('a name that leads to another address now', () => {
  it('is looked up for every connection: when the old server is lost, the new one serves', async () => {
    await using old = await startFaultProxy(sharedPostgres())
    using second = await startSecondAddress(old.port)
    const names = new Names()
    const address = { host: 'primary.test', port: old.port }
    await using world = await startWorld(['acme'], { address, connect: names.connect })
    await write(world)
    expect(second.accepted()).toBe(0)
    names.address = '127.0.0.2'
    await old.setMode('reset')
    await vi.waitFor(() => write(world), within2s)
    expect(second.accepted()).toBeGreaterThan(0)
    await world.router.close()
  })

  it('is looked up again when the old server still answers, and refuses writes (25006)', async () => {
    await using old = await startFaultProxy(sharedPostgres())
    using second = await startSecondAddress(old.port)
    const names = new Names()
    const address = { host: 'primary.test', port: old.port }
    await using world = await startWorld(['acme'], { address, connect: names.connect })
    const { database } = world.placeOf('acme')
    // Sessions by the old address take no writes, and those that begin later do.
    await world.server.query(`alter database ${database} set default_transaction_read_only = on`)
    await ownRows(world, 'acme')
    await world.server.query(`alter database ${database} reset default_transaction_read_only`)
    const throughOld = old.accepted
    names.address = '127.0.0.2'
    const flippedAt = performance.now()
    expect((await outcome(write(world))).error).toMatchObject({ code: 'sql_error', sqlstate: '25006' })
    await write(world)
    expect(performance.now() - flippedAt).toBeLessThan(2_000)
    expect(second.accepted()).toBeGreaterThan(0)
    expect(old.accepted).toBe(throughOld)
    await world.router.close()
  })
})

describe('a primary that refuses writes', () => {
  it('as it has become a standby, costs its pool: the next connections are new, and writes go on once they can', async () => {
    await using server = await startPostgres()
    await using world = await startWorld(['acme', 'globex'], { server })
    await restartAsStandby(server)
    await vi.waitFor(() => ownRows(world, 'acme'), { timeout: 5_000, interval: 20 })
    const refused = await outcome(write(world))
    expect(refused.error).toMatchObject({ code: 'sql_error', sqlstate: '25006' })
    await vi.waitFor(() => expect(world.router.stats().connections.out).toBe(0))
    await ownRows(world, 'acme')
    await server.query('select pg_promote()')
    for (const tenant of ['acme', 'globex']) await write(world, tenant)
  })

  it('by a default that is gone again, is left after one refused write', async () => {
    await using world = await startWorld(['acme'])
    const { database } = world.placeOf('acme')
    await world.server.query(`alter database ${database} set default_transaction_read_only = on`)
    await ownRows(world, 'acme')
    await world.server.query(`alter database ${database} reset default_transaction_read_only`)
    expect((await outcome(write(world))).error).toMatchObject({ sqlstate: '25006' })
    await write(world)
  })

  it('for good, has its connections replaced every few seconds at most', async () => {
    // One at a time: on a busy machine the pool would grow, and what it opens for that is no replacement.
    await using world = await startWorld(['acme'], { maxConnectionsPerTenant: 1 })
    const { database } = world.placeOf('acme')
    await world.server.query(`alter database ${database} set default_transaction_read_only = on`)
    await ownRows(world, 'acme')
    const seen = openings(world)
    const began = performance.now()
    for (let i = 0; i < 30; i++) expect((await outcome(write(world))).code).toBe('sql_error')
    const tookMs = performance.now() - began
    expect(seen.opened).toBeGreaterThan(0)
    expect(seen.opened).toBeLessThanOrEqual(1 + Math.floor(tookMs / 3_000))
  })

  it('in a transaction that its user began so, keeps its connection', async () => {
    await using world = await startWorld(['acme'])
    await ownRows(world, 'acme')
    const seen = openings(world)
    const readOnly = world.router.transaction('acme', { readOnly: true }, (sql) => sql`delete from notes`)
    await expect(readOnly).rejects.toMatchObject({ code: '25006' })
    using lease = await world.lease('acme')
    await lease.run({ text: 'set default_transaction_read_only = on' })
    await expect(lease.run({ text: 'delete from notes' })).rejects.toMatchObject({ sqlstate: '25006' })
    lease.release()
    await ownRows(world, 'acme')
    expect(seen.opened).toBe(0)
  })

  it('is judged by the server, at most once in three seconds for each tenant', () => {
    const clock = { now: 0 }
    const refusals = new WriteRefusals(() => clock.now)
    const [acme, globex] = [parseTenantId('acme'), parseTenantId('globex')]
    const standby = { hasRefusedWrite: true, parameters: { in_hot_standby: 'on' } }
    expect(refusals.isRecyclingDue(acme, { ...standby, hasRefusedWrite: false })).toBe(false)
    expect(refusals.isRecyclingDue(acme, { ...standby, parameters: { in_hot_standby: 'off' } })).toBe(false)
    expect([refusals.isRecyclingDue(acme, standby), refusals.isRecyclingDue(acme, standby)]).toEqual([
      true,
      false,
    ])
    expect(refusals.isRecyclingDue(globex, standby)).toBe(true)
    clock.now = 3_000
    expect(refusals.isRecyclingDue(acme, standby)).toBe(true)
  })
})
