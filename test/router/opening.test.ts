import { randomUUID } from 'node:crypto'
import { describe, expect, it, vi } from 'vitest'
import { freeze } from '../support/freeze.ts'
import { startWorld, type World, type WorldOptions } from '../support/world.ts'

const within5s = { timeout: 5_000, interval: 20 }

/** A world whose tenant acme has a stamp that somebody has locked, until the returned function is called. */
async function startLocked(tenants: readonly string[], options: WorldOptions) {
  const world = await startWorld(tenants, options)
  const incarnation = randomUUID()
  const entry = await world.registry.find('tenant', 'acme')
  await world.execute(
    'acme',
    `create schema tenantry;
     create table tenantry.stamp as select 'acme' as tenant_id, ${entry?.record.generation}::bigint as generation,
       '${incarnation}'::uuid as incarnation, 'live' as state;
     grant usage on schema tenantry to public;
     grant select on tenantry.stamp to public`,
  )
  await world.change('acme', (record) => ({ ...record, identity: { kind: 'stamp', incarnation } }))
  const locker = await world.server.connect(world.placeOf('acme').database)
  await locker.query('begin; lock table tenantry.stamp in access exclusive mode')
  const unlock = () => locker.end()
  return { world, unlock }
}

/** Backends of acme's role, as the server counts them. */
async function pidsOfAcme(world: World): Promise<number[]> {
  const rows = await world.server.query<{ pid: number }>(
    'select pid from pg_stat_activity where usename = $1',
    [world.placeOf('acme').role],
  )
  return rows.map(({ pid }) => pid)
}

describe('an opening that fails while the database is being recognised', () => {
  it('has left no backend at the server when its permit is free again', async () => {
    const { world, unlock } = await startLocked(['acme'], { serverBudget: 1, connectTimeoutMs: 150 })
    await using _world = world
    for (let attempt = 1; attempt <= 2; attempt++) {
      await expect(world.lease('acme')).rejects.toMatchObject({ code: 'server_unavailable' })
      await vi.waitFor(async () => expect(await pidsOfAcme(world)).toEqual([]), {
        timeout: 200,
        interval: 10,
      })
    }
    await unlock()
    // Not answered twice, the tenant is held back for a second.
    await vi.waitFor(async () => {
      using lease = await world.lease('acme')
      expect(lease.connection.isOpen).toBe(true)
    }, within5s)
  })

  it('keeps its permit until the server has let go of a backend that hears nothing', async () => {
    const { world, unlock } = await startLocked(['acme', 'globex'], {
      serverBudget: 1,
      connectTimeoutMs: 150,
    })
    await using _world = world
    const failing = world.lease('acme').catch((error: unknown) => error)
    const pid = await vi.waitFor(async () => {
      const [first] = await pidsOfAcme(world)
      if (first === undefined) throw new Error('not there yet')
      return first
    }, within5s)
    freeze(pid)
    try {
      expect(await failing).toMatchObject({ code: 'server_unavailable' })
      expect(world.router.stats().servers).toMatchObject([{ quarantined: 1, out: 1 }])
      const other = world.lease('globex', { acquireTimeoutMs: 200 })
      await expect(other).rejects.toMatchObject({ code: 'acquire_timeout' })
    } finally {
      process.kill(pid, 'SIGCONT')
    }
    await unlock()
    using lease = await world.lease('globex')
    expect(lease.connection.isOpen).toBe(true)
  })

  it('ends at once when the router closes', async () => {
    const { world, unlock } = await startLocked(['acme'], { connectTimeoutMs: 20_000 })
    await using _world = world
    const failing = world.lease('acme').catch((error: unknown) => error)
    await vi.waitFor(async () => expect(await pidsOfAcme(world)).toHaveLength(1), within5s)
    const startedAt = performance.now()
    await world.router.close()
    expect(performance.now() - startedAt).toBeLessThan(2_000)
    expect(await failing).toMatchObject({ code: 'router_closed' })
    await vi.waitFor(async () => expect(await pidsOfAcme(world)).toEqual([]), within5s)
    await unlock()
  })
})
