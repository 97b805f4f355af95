import { describe, expect, it, vi } from 'vitest'
import { Directory } from '../../src/registry/directory.ts'
import type { Entry, Registry } from '../../src/registry/registry.ts'
import { TenantRouter } from '../../src/router/tenant-router.ts'
import { sharedPostgres } from '../support/postgres.ts'
import { startWorld, type World } from '../support/world.ts'
import { audit } from '../support/world-records.ts'

const LEASE_MS = 700
const MARGIN_MS = 1_000
const [OLD, NEW] = [18, 15]

/** A database and a role of the same names on another server, of another version, which is on record as `other`. */
async function newHome(world: World) {
  const there = sharedPostgres(15)
  const { database, role, password } = world.placeOf('acme')
  await there.createRole(role, password)
  await there.createDatabase(database)
  const main = await world.registry.find('server', 'main')
  if (!main) throw new Error('the world has no server')
  const { host, port } = there
  const record = { ...main.record, id: 'other', endpoints: [{ role: 'primary' as const, host, port }] }
  await world.registry.commit({ puts: [{ kind: 'server', id: 'other', record }], audit: audit('other') }, [
    { kind: 'server', id: 'other', revision: 0 },
  ])
  const [pin] = await there.query<{ systemIdentifier: string; databaseOid: number }>(
    `select system_identifier::text as "systemIdentifier", oid::int as "databaseOid"
       from pg_control_system(), pg_database where datname = $1`,
    [database],
  )
  return {
    pin,
    [Symbol.asyncDispose]: async () => {
      await world.router.close()
      await there.dropDatabase(database)
      await there.dropRole(role)
    },
  }
}

/** The tenant's record says from now on that it lives there. */
function move(world: World, { pin }: Awaited<ReturnType<typeof newHome>>): Promise<void> {
  return world.change('acme', (record) => ({
    ...record,
    epoch: record.epoch + 1,
    route: { ...record.route, server: 'other' },
    identity: record.identity?.kind === 'pin' ? { ...record.identity, ...pin } : null,
  }))
}

/** The world's registry, from which `acme` can be read as it was. */
function withPast({ registry }: World) {
  const past: { entry: Entry<'tenant'> | undefined; reads: number } = { entry: undefined, reads: 0 }
  const find: Registry['find'] = async (kind, id, signal) => {
    const { entry } = past
    if (!entry || kind !== 'tenant' || id !== entry.id) return registry.find(kind, id, signal)
    past.reads += 1
    return entry as never // of the kind that was asked for
  }
  const proxy = new Proxy(registry, {
    get(target, name) {
      if (name === 'find') return find
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  return { registry: proxy, past }
}

interface Asked {
  readonly startedAt: number
  readonly endedAt: number
  /** The version of the server, or the code of the error. */
  readonly answer: number | string
}

/** Asks where it is, again and again until it is over. */
class Asker {
  readonly asked: Asked[] = []
  readonly #working: Promise<void>
  #isOver = false

  constructor(router: TenantRouter) {
    this.#working = this.#work(router)
  }

  async #work(router: TenantRouter): Promise<void> {
    while (!this.#isOver) {
      const startedAt = performance.now()
      const rows = router.sql('acme')`select current_setting('server_version_num')::int / 10000 as version`
      const answer = await rows.then(
        ([row]) => Number(row?.['version']),
        (error: { code: string }) => error.code,
      )
      this.asked.push({ startedAt, endedAt: performance.now(), answer })
    }
  }

  async answersNow(version: number): Promise<void> {
    const answered = () => {
      if (this.asked.at(-1)?.answer !== version) throw new Error(`not answered by Postgres ${version}`)
    }
    await vi.waitFor(answered, { timeout: 10_000, interval: 5 })
  }

  async stop(): Promise<Asked[]> {
    this.#isOver = true
    await this.#working
    return this.asked
  }
}

const answersOf = (asked: readonly Asked[]) => new Set(asked.map(({ answer }) => answer))

describe('a tenant whose record leads to another server', () => {
  it('is served there by every replica, and on the old one by none once the deadline of leases is over, whoever reads the record of before again', async () => {
    await using world = await startWorld(['acme'], { leaseTimeoutMs: LEASE_MS })
    await using home = await newHome(world)
    const { registry, past } = withPast(world)
    await using directory = new Directory(registry)
    const { opener } = world
    const backends = { open: opener.open.bind(opener), confirmGone: opener.confirmGone.bind(opener) }
    await using second = new TenantRouter(directory, backends, { leaseTimeoutMs: LEASE_MS })
    const askers = [world.router, second].map((router) => new Asker(router))
    for (const asker of askers) await asker.answersNow(OLD)
    const before = await world.registry.find('tenant', 'acme')
    using held = await second.lease('acme')
    const lasting = world.router.sql('acme')`select pg_sleep(60)`.then(
      () => 'it ended by itself',
      (error: { code: string }) => error.code,
    )

    const movedAt = performance.now()
    await move(world, home)
    for (const asker of askers) await asker.answersNow(NEW)
    const heardAt = performance.now()
    past.entry = before
    directory.invalidate({ kind: 'tenant', id: 'acme', revision: (before?.revision ?? 0) + 1_000 })
    const over = { timeout: LEASE_MS + MARGIN_MS, interval: 10 }
    await vi.waitFor(async () => expect(await world.sessionsOf('acme')).toBe(0), over)
    expect(['lease_expired', 'statement_timeout', 'cancelled']).toContain(await lasting)
    await expect(held.run({ text: 'select 1' })).rejects.toMatchObject({ code: 'lease_expired' })

    const answered = askers.map(({ asked }) => asked.length)
    await vi.waitFor(() => {
      for (const [at, { asked }] of askers.entries())
        expect(asked.length).toBeGreaterThan((answered[at] ?? 0) + 20)
    })
    const asked = (await Promise.all(askers.map((asker) => asker.stop()))).flat()
    expect(answersOf(asked)).toEqual(new Set([OLD, NEW]))
    expect(answersOf(asked.filter(({ startedAt }) => startedAt > heardAt))).toEqual(new Set([NEW]))
    expect(past.reads).toBeGreaterThan(0)
    const late = movedAt + LEASE_MS + MARGIN_MS
    expect(asked.filter(({ endedAt, answer }) => answer === OLD && endedAt > late)).toEqual([])
    expect(await world.sessionsOf('acme')).toBe(0)
  })
})
