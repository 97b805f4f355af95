import { describe, expect, it, vi } from 'vitest'
import { openConnection } from '../../src/connection/open.ts'
import { asTenantryError, problemOf } from '../../src/http/problem.ts'
import { Directory } from '../../src/registry/directory.ts'
import { TenantRouter } from '../../src/router/tenant-router.ts'
import { Secret } from '../../src/secret.ts'
import type { TenantRecord } from '../../src/tenant/tenant-record.ts'
import { ControlledRegistry } from '../registry/controlled-registry.ts'
import { startWorld, type World } from '../support/world.ts'
import { codesOf, forMs, hammer, outcome, ownRows } from './fault-ground.ts'

const soon = { timeout: 2_500, interval: 20 }
const FOREIGN = { trust: 'foreign' as const }
const MS = 1_500

/** Counts the attempts to open that fail, from now on. */
function failures(world: World): { count: number } {
  const seen = { count: 0 }
  world.router.on('openFailed', () => seen.count++)
  return seen
}

/** A router that hears of no change by itself, with passwords by when the record was changed. */
async function startDeaf(world: World, passwords: Readonly<Record<string, string>>) {
  const registry = new ControlledRegistry()
  const server = await world.registry.find('server', 'main')
  const tenant = await world.registry.find('tenant', 'acme')
  if (!server || !tenant) throw new Error('the world is not whole')
  registry.put(server)
  registry.put(tenant)
  const directory = new Directory(registry)
  const open = (record: TenantRecord, _server: unknown, terms: { connectTimeoutMs: number }) => {
    const { database, role: user } = record.route
    const password = new Secret(passwords[record.updatedAt] ?? world.placeOf('acme').password)
    const { host, port } = world.server
    return openConnection({ host, port, database, user, password, tls: { mode: 'disable' } }, terms)
  }
  const router = new TenantRouter(directory, { open, confirmGone: async () => true }, {}, () =>
    directory.close(),
  )
  ;(await router.lease('acme')).release()
  registry.mute()
  const change = (changes: Partial<TenantRecord>) =>
    registry.put({ ...tenant, record: { ...tenant.record, ...changes } })
  return { router, change }
}

describe('a password that was changed', () => {
  it('at the server alone is tried once a second, after one look at the registry; live sessions go on', async () => {
    await using world = await startWorld(['acme', 'globex'])
    using held = await world.lease('acme')
    const { role, password } = world.placeOf('acme')
    await world.server.query(`alter role ${role} password 'another'`)
    const failed = failures(world)
    const reread = vi.spyOn(world.directory, 'refresh')
    const outcomes = await hammer(8, () => world.lease('acme', FOREIGN), forMs(MS))
    expect(codesOf(outcomes)).toEqual(['login_failed'])
    expect(failed.count).toBeGreaterThanOrEqual(1)
    expect(failed.count).toBeLessThanOrEqual(2)
    expect(reread).toHaveBeenCalledTimes(failed.count)
    await held.run({ text: 'select 1' })
    await ownRows(world, 'globex')
    await world.server.query(`alter role ${role} password '${password}'`)
    await vi.waitFor(async () => (await world.lease('acme', FOREIGN)).release(), soon)
  })

  it.each([
    ['of the same epoch', 1],
    ['of a new epoch', 2],
  ])(
    'in the registry too, by a record %s, is found within two seconds by a router that has not heard',
    async (_, epoch) => {
      await using world = await startWorld(['acme'])
      const updatedAt = '2026-01-02T03:04:06.000Z'
      const { router, change } = await startDeaf(world, { [updatedAt]: 'another' })
      await using _router = router
      using held = await router.lease('acme')
      await world.server.query(`alter role ${world.placeOf('acme').role} password 'another'`)
      change({ updatedAt, epoch })
      const began = performance.now()
      const leases = await Promise.all([router.lease('acme', FOREIGN), router.lease('acme', FOREIGN)])
      expect(performance.now() - began).toBeLessThan(2_000)
      for (const lease of leases) {
        expect((await lease.run({ text: 'select 1 as one' })).rows).toEqual([{ one: 1 }])
        lease.release()
      }
      await held.run({ text: 'select 1' })
    },
  )
})

/** What forbids a login, by its SQLSTATE, and what permits it again. */
const REFUSALS = {
  disabled: ['28000', 'alter role ROLE nologin', 'alter role ROLE login'],
  expired: ['28P01', "alter role ROLE valid until '2020-01-01'", "alter role ROLE valid until 'infinity'"],
  revoked: ['42501', 'revoke connect on database DB from ROLE', 'grant connect on database DB to ROLE'],
  closed: ['55000', 'alter database DB allow_connections false', 'alter database DB allow_connections true'],
  gone: ['3D000', 'alter database DB rename to DB_away', 'alter database DB_away rename to DB'],
} as const

describe('tenants that may not log in', () => {
  it('are refused in our words, without a storm and without harm to others, and served when they may', async () => {
    const kinds = Object.keys(REFUSALS)
    await using world = await startWorld([...kinds, 'sound'])
    const change = async (at: 1 | 2) => {
      for (const [kind, texts] of Object.entries(REFUSALS)) {
        const { role, database } = world.placeOf(kind)
        await world.server.query(texts[at].replaceAll('ROLE', role).replaceAll('DB', database))
      }
    }
    await change(1)
    const failed = failures(world)
    // One attempt a second: the next would begin a second after the first has failed.
    const outcomes = await hammer(10, (n) => world.lease(kinds[n % kinds.length] ?? 'gone'), forMs(900))
    await ownRows(world, 'sound')
    expect(codesOf(outcomes)).toEqual(['login_failed'])
    expect(failed.count).toBe(kinds.length)
    const logged = outcomes.map(({ error }) => String(error)).join()
    const read = outcomes.map(({ error }) => JSON.stringify(problemOf(asTenantryError(error), 'r'))).join()
    for (const [kind, [state]] of Object.entries(REFUSALS)) {
      expect(logged).toContain(state)
      for (const secret of [state, world.placeOf(kind).role, world.placeOf(kind).database])
        expect(read).not.toContain(secret)
    }
    await change(2)
    await Promise.all(kinds.map((kind) => vi.waitFor(() => ownRows(world, kind), soon)))
  })
})

describe('a server that has no room for data', () => {
  it('says so (53100, 53200), tries no statement again, and goes on to be read: nothing is held against it', async () => {
    await using world = await startWorld(['acme'])
    const { role } = world.placeOf('acme')
    using lease = await world.lease('acme')
    for (const sqlstate of ['53100', '53200']) {
      const tries = `tries_${sqlstate}`
      // A sequence goes on where a transaction is rolled back: it counts what was begun.
      await world.execute('acme', `create sequence ${tries}; grant usage on sequence ${tries} to ${role}`)
      const text = `do $$ begin
        perform nextval('${tries}');
        insert into notes values (21, 'acme', 'w');
        raise 'no room' using errcode = '${sqlstate}';
      end $$`
      const { error } = await outcome(lease.run({ text }))
      expect(error).toMatchObject({ code: 'sql_error', sqlstate })
      const { database } = world.placeOf('acme')
      const counted = await world.server.query(`select last_value, is_called from ${tries}`, [], database)
      expect(counted).toEqual([{ last_value: '1', is_called: true }])
    }
    lease.release()
    await ownRows(world, 'acme')
    expect(world.router.stats().servers).toEqual([expect.objectContaining({ breaker: 'closed' })])
  })
})
