import { expect, it, vi } from 'vitest'
import { type OwnPostgresServer, startPostgres } from '../support/postgres.ts'
import { startWorld, type World } from '../support/world.ts'
import { hammer, outcome } from './fault-ground.ts'
import { WORDS } from './restart/fast-restart.ts'

const TENANTS = ['acme', 'globex', 'initech']

/** Writes by their ids: what each client was told, and which are with the server now. */
class Writes {
  readonly #world: World
  readonly tenants = new Map<number, string>()
  readonly codes = new Map<number, string>()
  readonly inFlight = new Set<number>()

  constructor(world: World) {
    this.#world = world
  }

  async insert(tenant: string): Promise<void> {
    const id = this.#next(tenant)
    const { code } = await outcome(this.#insert(tenant, id))
    this.codes.set(id, code)
    if (code !== 'ok') throw new Error(code)
  }

  /** Its commit is on the disk, and its answer waits for a standby that there is not. @returns its id. */
  commitUnanswered(tenant: string): number {
    const id = this.#next(tenant)
    const commit = this.#world.router.transaction(tenant, {}, async (sql) => {
      await sql`set local synchronous_commit = on`
      await sql`insert into notes values (${id}, ${tenant}, 'w')`
    })
    void outcome(commit).then(({ code }) => this.codes.set(id, code))
    return id
  }

  told(code: string): number[] {
    return [...this.codes].filter(([, own]) => own === code).map(([id]) => id)
  }

  async #insert(tenant: string, id: number): Promise<void> {
    using lease = await this.#world.lease(tenant)
    this.inFlight.add(id)
    try {
      await lease.run({ text: `insert into notes values (${id}, '${tenant}', 'w')` })
    } finally {
      this.inFlight.delete(id)
    }
  }

  #next(tenant: string): number {
    const id = 100 + this.tenants.size
    this.tenants.set(id, tenant)
    return id
  }
}

async function untilUnanswered(server: OwnPostgresServer, commits: number): Promise<void> {
  const text = "select count(*)::int as count from pg_stat_activity where wait_event = 'SyncRep'"
  await vi.waitFor(async () => expect(await server.query(text)).toEqual([{ count: commits }]))
}

async function idsIn(world: World, server: OwnPostgresServer): Promise<Set<number>> {
  const found = TENANTS.map((tenant) =>
    server.query<{ id: number }>(
      'select id from notes where id >= 100 and tenant = $1',
      [tenant],
      world.placeOf(tenant).database,
    ),
  )
  return new Set((await Promise.all(found)).flat().map(({ id }) => id))
}

it('loses no acknowledged write to a backend that is killed -9, and calls all that were in flight unknown', async () => {
  await using server = await startPostgres({
    settings: { synchronous_standby_names: 'nobody', synchronous_commit: 'local', restart_after_crash: 'on' },
  })
  await using world = await startWorld(TENANTS, { server })
  const writes = new Writes(world)
  let isOver = false
  const writing = hammer(
    6,
    (n) => writes.insert(TENANTS[n % 3] ?? 'acme'),
    () => isOver,
  )
  await vi.waitFor(() => expect(writes.told('ok').length).toBeGreaterThan(30))
  const unanswered = TENANTS.map((tenant) => writes.commitUnanswered(tenant))
  await untilUnanswered(server, TENANTS.length)
  const [victim] = await server.query<{ pid: number }>(
    'select pid from pg_stat_activity where usename = $1 limit 1',
    [world.placeOf('acme').role],
  )
  await vi.waitFor(() => expect(writes.inFlight.size).toBeGreaterThan(0), { interval: 1 })
  process.kill(victim?.pid ?? 0, 'SIGKILL')
  const inFlight = [...writes.inFlight]
  const before = writes.told('ok').length
  await vi.waitFor(() => expect(writes.told('ok').length).toBeGreaterThan(before + 30), {
    timeout: 8_000,
    interval: 20,
  })
  isOver = true
  await writing

  expect([...writes.codes.values()].filter((code) => !WORDS.includes(code))).toEqual([])
  expect(unanswered.map((id) => writes.codes.get(id))).toEqual(unanswered.map(() => 'outcome_unknown'))
  // Of those beside, an answer may have been on its way.
  expect(inFlight.filter((id) => !['ok', 'outcome_unknown'].includes(writes.codes.get(id) ?? ''))).toEqual([])
  const found = await idsIn(world, server)
  expect(writes.told('ok').filter((id) => !found.has(id))).toEqual([])
  const committedButErrored = [...found].filter((id) => writes.codes.get(id) !== 'ok')
  expect(committedButErrored).toEqual(expect.arrayContaining(unanswered))
  expect(committedButErrored.filter((id) => writes.codes.get(id) !== 'outcome_unknown')).toEqual([])
}, 60_000)
