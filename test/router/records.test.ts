import { describe, expect, it, vi } from 'vitest'
import { Breakers } from '../../src/router/breaker/breakers.ts'
import { EventHub } from '../../src/router/events.ts'
import { RouterOptions } from '../../src/router/options.ts'
import { Scheduler } from '../../src/router/scheduling/scheduler.ts'
import { parseTenantId } from '../../src/tenant/tenant-id.ts'
import type { TenantRecord } from '../../src/tenant/tenant-record.ts'
import { startWorld } from '../support/world.ts'

const whose = { text: 'select distinct tenant from notes' }

describe('a tenant’s record', () => {
  it('decides who is served', async () => {
    await using world = await startWorld(['acme'])
    await expect(world.lease('nobody')).rejects.toMatchObject({ code: 'tenant_unknown' })
    await expect(world.lease('__proto__')).rejects.toMatchObject({ code: 'invalid_tenant_id' })
    for (const [status, code] of [
      ['suspended', 'tenant_suspended'],
      ['moving', 'tenant_moving'],
      ['deleted', 'tenant_deleted'],
      ['provisioning', 'tenant_unavailable'],
    ] as const) {
      await world.change('acme', (record) => ({ ...record, status }))
      await vi.waitFor(() => expect(world.lease('acme')).rejects.toMatchObject({ code }))
    }
  })

  it('suspended, ends what runs within a second and keeps others going', async () => {
    await using world = await startWorld(['acme', 'globex'])
    using held = await world.lease('acme')
    using other = await world.lease('globex')
    const running = held.run({ text: 'select pg_sleep(30)' })
    const suspend = world.change('acme', (record) => ({ ...record, status: 'suspended' }))
    await Promise.all([expect(running).rejects.toMatchObject({ code: 'tenant_suspended' }), suspend])
    await vi.waitFor(async () => expect(await world.sessionsOf('acme')).toBe(0))
    expect((await other.run(whose)).rows).toEqual([{ tenant: 'globex' }])
  })

  it('of a new epoch drains the pool of the old one: what is out goes on, new leases use the new route', async () => {
    await using world = await startWorld(['acme'])
    using held = await world.lease('acme')
    await world.change('acme', (record) => ({ ...record, epoch: record.epoch + 1 }))
    await vi.waitFor(async () => {
      using fresh = await world.lease('acme')
      expect(fresh.tenant.epoch).toBe(2)
    })
    expect((await held.run(whose)).rows).toEqual([{ tenant: 'acme' }])
    held.release()
    await vi.waitFor(async () => expect(await world.sessionsOf('acme')).toBe(1))
  })

  it('of a new epoch, unused, leaves no pool behind', async () => {
    await using world = await startWorld(['acme'])
    ;(await world.lease('acme')).release()
    await world.change('acme', (record) => ({ ...record, epoch: record.epoch + 1 }))
    await vi.waitFor(() => expect(world.router.stats().pools).toEqual([]))
  })

  it('that was read before a newer one was heard does not bring the old epoch back', async () => {
    await using world = await startWorld(['acme'])
    const old = await world.registry.find('tenant', 'acme')
    const server = await world.registry.find('server', 'main')
    if (!old || !server) throw new Error('the world is not whole')
    const open = () => Promise.reject(new Error('nothing is opened here'))
    const events = new EventHub()
    const gate = new Breakers(events)
    const scheduler = new Scheduler(RouterOptions.parse({}), open, async () => true, gate, events)
    const newer = { ...old.record, epoch: old.record.epoch + 1 }
    const pool = scheduler.poolOf(newer, old.revision + 1, server.record)
    expect(scheduler.poolOf(old.record, old.revision, server.record)).toBe(pool)
    expect(pool.record.epoch).toBe(newer.epoch)
  })

  it('with another statement timeout reaches connections that are open', async () => {
    await using world = await startWorld(['acme'])
    const timeout = async () => {
      using lease = await world.lease('acme')
      return (await lease.run({ text: 'show statement_timeout' })).rows
    }
    expect(await timeout()).toEqual([{ statement_timeout: '30s' }])
    await world.change('acme', (record) => ({
      ...record,
      limits: { ...record.limits, statementTimeoutMs: 1_000 },
    }))
    await vi.waitFor(async () => expect(await timeout()).toEqual([{ statement_timeout: '1s' }]))
  })

  it('whose role is not isolated refuses foreign SQL and serves the application', async () => {
    await using world = await startWorld(['acme'])
    const shared = (record: TenantRecord): TenantRecord => ({
      ...record,
      isolation: { isolated: false, findings: ['owns a database'], checkedAt: record.createdAt },
    })
    await world.change('acme', shared)
    await vi.waitFor(() =>
      expect(world.lease('acme', { trust: 'foreign' })).rejects.toMatchObject({ code: 'role_not_isolated' }),
    )
    using lease = await world.lease('acme')
    expect((await lease.run(whose)).rows).toEqual([{ tenant: 'acme' }])
  })
})

describe('the identity of a database', () => {
  const stamped = async (row: (record: TenantRecord) => string) => {
    const world = await startWorld(['acme'])
    const entry = await world.registry.find('tenant', 'acme')
    if (!entry) throw new Error('acme is missing')
    const { role } = world.placeOf('acme')
    await world.execute(
      'acme',
      `create schema tenantry;
       create table tenantry.stamp (tenant_id text, generation bigint, incarnation uuid, state text);
       grant usage on schema tenantry to ${role};
       grant select on tenantry.stamp to ${role};
       insert into tenantry.stamp values (${row(entry.record)})`,
    )
    await world.change('acme', (record) => ({
      ...record,
      epoch: 2,
      identity: { kind: 'stamp', incarnation },
    }))
    return world
  }
  const incarnation = '9b2c1c8e-3f1d-4b6e-8f5a-2d7c6e5b4a39'
  const outcome = async (row: (record: TenantRecord) => string) => {
    await using world = await stamped(row)
    await vi.waitFor(async () =>
      expect((await world.directory.tenant(parseTenantId('acme')))?.record.epoch).toBe(2),
    )
    return await world.lease('acme').then(
      (lease) => {
        lease.release()
        return 'served'
      },
      (error: { code: string }) => error.code,
    )
  }

  it('is proved by a stamp of the tenant’s own', async () => {
    expect(await outcome((r) => `'acme', ${r.generation}, '${incarnation}', 'live'`)).toBe('served')
  })

  it('fences a tenant whose route leads to another’s database, or to one it was moved from', async () => {
    expect(await outcome((r) => `'globex', ${r.generation}, '${incarnation}', 'live'`)).toBe(
      'identity_mismatch',
    )
    expect(await outcome((r) => `'acme', ${r.generation + 1}, '${incarnation}', 'live'`)).toBe(
      'identity_mismatch',
    )
    expect(await outcome((r) => `'acme', ${r.generation}, '${incarnation}', 'moved'`)).toBe(
      'identity_mismatch',
    )
  })

  it('refuses a database that was restored from elsewhere until an operator accepts it', async () => {
    const other = '00000000-0000-4000-8000-000000000000'
    expect(await outcome((r) => `'acme', ${r.generation}, '${other}', 'live'`)).toBe('identity_unknown')
  })

  it('refuses a pinned database that is not the one it was', async () => {
    await using world = await startWorld(['acme'])
    await world.change('acme', (record) => ({
      ...record,
      identity: record.identity?.kind === 'pin' ? { ...record.identity, systemIdentifier: '1' } : null,
    }))
    await vi.waitFor(() => expect(world.lease('acme')).rejects.toMatchObject({ code: 'identity_unknown' }))
    expect(world.router.stats().connections.out).toBe(0)
  })
})
