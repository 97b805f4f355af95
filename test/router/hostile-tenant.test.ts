import pg from 'pg'
import { describe, expect, it, vi } from 'vitest'
import type { Trust } from '../../src/connection/connection.ts'
import { TenantryError } from '../../src/errors.ts'
import { startWorld, type World } from '../support/world.ts'

const TIMES = 20
const TERMINATE = 'select pg_terminate_backend(pg_backend_pid())'

/** Another tenant, at work all the time. */
class Neighbour {
  readonly #world: World
  readonly #working: Promise<void>
  readonly #faults: unknown[] = []
  #isOver = false
  #answers = 0
  #slowestMs = 0

  constructor(world: World) {
    this.#world = world
    this.#working = this.#work()
  }

  async #work(): Promise<void> {
    while (!this.#isOver) {
      const began = performance.now()
      try {
        using lease = await this.#world.lease('good')
        const rows = await lease.sql`select id, tenant from notes order by id`
        if (rows.length === 20 && rows.every((row) => row.tenant === 'good')) this.#answers++
        else this.#faults.push(rows)
      } catch (error) {
        this.#faults.push(error)
      }
      this.#slowestMs = Math.max(this.#slowestMs, performance.now() - began)
    }
  }

  /** Ends the work; see `UNDISTURBED`. */
  async report() {
    this.#isOver = true
    await this.#working
    return { faults: this.#faults, isAnswered: this.#answers > 0, isQuick: this.#slowestMs < 1_000 }
  }
}

/** What its own requests may meet; the first is its rows. */
const BEARABLE = new Set(['evil', 'outcome_unknown', 'connection_lost', 'server_unavailable', 'circuit_open'])
const UNDISTURBED = { faults: [], isAnswered: true, isQuick: true }

/** The code of its failure, which must come within a second. */
async function codeOf(outcome: Promise<unknown>): Promise<string> {
  const began = performance.now()
  const error = await outcome.then(
    () => new Error('it succeeded'),
    (reason: unknown) => reason,
  )
  expect(performance.now() - began).toBeLessThan(1_000)
  return error instanceof TenantryError ? error.code : String(error)
}

async function answers(world: World): Promise<void> {
  using lease = await world.lease('evil')
  expect(await lease.sql`select distinct tenant from notes`).toEqual([{ tenant: 'evil' }])
}

describe.each<Trust>(['application', 'foreign'])(
  'a tenant whose %s SQL attacks its own connection',
  (trust) => {
    it('ends its backend inside a transaction, and only it gets an error, at once', async () => {
      await using world = await startWorld(['evil', 'good'], { maxConnections: 4 })
      const neighbour = new Neighbour(world)
      for (let n = 0; n < TIMES; n++) {
        using lease = await world.lease('evil', { trust })
        await lease.run({ text: 'begin' })
        expect(await codeOf(lease.run({ text: TERMINATE }))).toBe('outcome_unknown')
        expect(await codeOf(lease.run({ text: 'select 1' }))).toBe('connection_lost')
        lease.release()
        await answers(world)
      }
      expect(await neighbour.report()).toEqual(UNDISTURBED)
    })

    it('does so in a transaction of the handle, whose rollback then has nobody to talk to', async () => {
      await using world = await startWorld(['evil', 'good'], { maxConnections: 4 })
      const neighbour = new Neighbour(world)
      for (let n = 0; n < TIMES; n++) {
        const ended = world.router.withTenant(
          'evil',
          (sql) => sql.begin(async (inside) => [await inside`select 1`, await inside.unsafe(TERMINATE)]),
          { trust },
        )
        expect(await codeOf(ended)).toBe('outcome_unknown')
        await answers(world)
      }
      expect(await neighbour.report()).toEqual(UNDISTURBED)
    })

    it('lets the server end its transaction after a millisecond, and its next statement fails at once', async () => {
      await using world = await startWorld(['evil', 'good'], { maxConnections: 4 })
      const neighbour = new Neighbour(world)
      for (let n = 0; n < TIMES; n++) {
        using lease = await world.lease('evil', { trust })
        await lease.run({ text: 'set idle_in_transaction_session_timeout = 1' })
        await lease.run({ text: 'begin' })
        await lease.connection.closed
        expect(await codeOf(lease.run({ text: 'select 1' }))).toBe('connection_lost')
        lease.release()
        await answers(world)
      }
      expect(await neighbour.report()).toEqual(UNDISTURBED)
    })

    it('starts COPY FROM STDIN, and is told that it is not supported', async () => {
      await using world = await startWorld(['evil', 'good'], { maxConnections: 4 })
      const neighbour = new Neighbour(world)
      for (let n = 0; n < TIMES; n++) {
        using lease = await world.lease('evil', { trust })
        expect(await codeOf(lease.run({ text: 'copy notes from stdin' }))).toBe('unsupported')
        lease.release()
        await answers(world)
      }
      expect(await neighbour.report()).toEqual(UNDISTURBED)
    })
  },
)

/** Of its own role, on whatever replica. */
const TERMINATE_ALL = `select count(pg_terminate_backend(pid)) from pg_stat_activity
  where usename = current_user and pid <> pg_backend_pid()`
const KILL_EVERY_MS = 100
const KILLS = 10

describe('a tenant that ends all sessions of its role, on other replicas too, ten times a second', () => {
  it('is the only one that feels it, and is served again as soon as it leaves off', async () => {
    await using world = await startWorld(['evil', 'good'], { maxConnections: 4 })
    await using other = world.newRouter()
    const neighbour = new Neighbour(world)
    const { database, role, password } = world.placeOf('evil')
    const killer = new pg.Client(world.server.dsn(database, role, password).replace(/\?.*$/, ''))
    await killer.connect()
    const codes = new Set<string>()
    for (let kill = 0; kill < KILLS; kill++) {
      const nextAt = performance.now() + KILL_EVERY_MS
      await killer.query(TERMINATE_ALL)
      while (performance.now() < nextAt) {
        const answer = await other.sql('evil')`select distinct tenant from notes`.then(
          ([row]) => String(row?.['tenant']),
          (error: { code: string }) => error.code,
        )
        codes.add(answer)
      }
    }
    await killer.end()
    expect([...codes].filter((code) => !BEARABLE.has(code))).toEqual([])
    expect(codes).toContain('evil')
    await vi.waitFor(() => answers(world))
    expect(await other.sql('evil')`select distinct tenant from notes`).toEqual([{ tenant: 'evil' }])
    expect(await neighbour.report()).toEqual(UNDISTURBED)
  })
})

describe('a tenant key', () => {
  it('re-prepares the statements of the application under their own names, and changes none of its answers', async () => {
    await using world = await startWorld(['acme'], { maxConnections: 1 })
    for (let turn = 0; turn < TIMES; turn++) {
      const names = await askAsApplication(world)
      expect(names.length).toBeGreaterThan(0)
      using lease = await world.lease('acme', { trust: 'foreign' })
      const { rows } = await lease.run({ text: 'select name from pg_prepared_statements' })
      expect(rows).toEqual([])
      await lease.run({ text: 'deallocate all' })
      for (const name of names) {
        await lease.run({ text: `prepare "${name}" (text) as select false as is_admin` })
      }
    }
    expect(await askAsApplication(world)).not.toEqual([])
  })
})

/** The names of the statements that the application's session holds afterwards. */
async function askAsApplication(world: World): Promise<string[]> {
  using lease = await world.lease('acme')
  for (const user of ['root', 'guest']) {
    const [row] = await lease.sql`select ${user}::text = 'root' as is_admin`
    expect(row).toEqual({ is_admin: user === 'root' })
  }
  const rows = await lease.sql`select name from pg_prepared_statements`
  return rows.map((row) => String(row.name))
}
