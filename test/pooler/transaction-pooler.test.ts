import { integer, pgTable, text } from 'drizzle-orm/pg-core'
import { drizzle } from 'drizzle-orm/postgres-js'
import { Kysely } from 'kysely'
import { PostgresJSDialect } from 'kysely-postgres-js'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { TenantPool } from '../../src/pg/tenant-pool.ts'
import type { World } from '../support/world.ts'
import { type PooledWorld, startPooledWorld } from './pooled-world.ts'

const notes = pgTable('notes', {
  id: integer().primaryKey(),
  tenant: text().notNull(),
  body: text().notNull(),
})

/** One ground for all who need nothing of their own: a tenant for each test. */
describe('a tenant behind a transaction pooler', () => {
  const TENANTS = [
    'orms',
    'pools',
    'copies',
    'whole',
    'session',
    'foreign',
    'lasting',
    'formats',
    'impatient',
    'odd',
  ]
  let ground: PooledWorld
  beforeAll(async () => {
    ground = await startPooledWorld(TENANTS)
  })
  afterAll(() => ground[Symbol.asyncDispose]())

  it('is served by the handles of postgres.js, Drizzle and Kysely', async () => {
    const sql = ground.router.sql('orms')
    const [row] =
      await sql`select count(*)::int as n, ${7}::int as seven, ${[1, 2]}::int[] as list from notes`
    expect(row).toEqual({ n: 20, seven: 7, list: [1, 2] })
    const db = drizzle({ client: sql, schema: { notes } })
    expect(await db.select().from(notes).limit(1)).toMatchObject([{ tenant: 'orms' }])
    await db.transaction(async (tx) => {
      await tx.insert(notes).values({ id: 21, tenant: 'orms', body: 'new' })
    })
    expect(await db.$count(notes)).toBe(21)
    const kysely = new Kysely<{ notes: { id: number; body: string } }>({
      dialect: new PostgresJSDialect({ postgres: sql }),
    })
    await kysely.transaction().execute(async (tx) => {
      await tx.updateTable('notes').set({ body: 'newer' }).where('id', '=', 21).execute()
    })
    expect(await kysely.selectFrom('notes').select('body').where('id', '=', 21).execute()).toEqual([
      { body: 'newer' },
    ])
  })

  it('is served by a pool of pg, with a name or without, and refused what would not last', async () => {
    const pool = new TenantPool(ground.router, 'pools')
    const named = { name: 'counted', text: 'select count(*)::int as n from notes where id > $1', values: [0] }
    for (let i = 0; i < 2; i++) expect((await pool.query(named)).rows).toEqual([{ n: 20 }])
    const client = await pool.connect()
    await client.query('begin')
    await client.query('insert into notes values ($1, $2, $3)', [21, 'pools', 'undone'])
    expect((await client.query(named)).rows).toEqual([{ n: 21 }])
    await client.query('rollback')
    await expect(client.query('set work_mem = 99999')).rejects.toMatchObject({ code: 'unsupported' })
    client.release()
    expect((await pool.query('select 1 as n; select 2 as n')) as unknown).toMatchObject([
      { rows: [{ n: 1 }] },
      { rows: [{ n: 2 }] },
    ])
    await pool.end()
  })

  it('reads a cursor in batches, copies in, and keeps its rows apart after an error', async () => {
    const sql = ground.router.sql('copies')
    const ids: number[] = []
    for await (const rows of sql<{ id: number }[]>`select id from notes order by id`.cursor(6)) {
      ids.push(...rows.map(({ id }) => id))
    }
    expect(ids).toEqual(Array.from({ length: 20 }, (_, i) => i + 1))
    await sql.begin(async (tx) => {
      const stream = await tx`copy notes from stdin`.writable()
      stream.end('21\tcopies\tcopied\n')
      await new Promise((resolve) => stream.once('finish', resolve))
    })
    await expect(sql`select 1 / (id - 1) from notes`).rejects.toMatchObject({ code: '22012' })
    expect(await sql`select body from notes where id = 21`).toEqual([{ body: 'copied' }])
  })

  it('keeps a transaction on one backend, and undoes it whole', async () => {
    const { router } = ground
    const pids = await router.transaction('whole', {}, async (sql) => {
      const seen: unknown[] = []
      for (let i = 0; i < 5; i++) seen.push((await sql`select pg_backend_pid() as pid`)[0]?.['pid'])
      return seen
    })
    expect(new Set(pids).size).toBe(1)
    const undone = router.transaction('whole', {}, async (sql) => {
      await sql`set local statement_timeout = '5s'`
      await sql`delete from notes`
      throw new Error('no')
    })
    await expect(undone).rejects.toThrow('no')
    expect(await router.sql('whole')`select count(*)::int as n from notes`).toEqual([{ n: 20 }])
  })

  it('refuses a session of its own, and says what to use', async () => {
    const { router } = ground
    await expect(router.lease('session')).rejects.toMatchObject({
      code: 'unsupported',
      publicDetail: expect.stringContaining('transaction()'),
    })
    const count = await router.withTenant('session', (sql) => sql`select count(*)::int as n from notes`)
    expect(count).toEqual([{ n: 20 }])
    using lease = await router.lease('session', { keepsSession: false })
    expect((await lease.run({ text: 'select 1 as one' })).rows).toEqual([{ one: 1 }])
  })

  it('refuses SQL of tenant keys', async () => {
    const foreign = ground.router.lease('foreign', { trust: 'foreign', keepsSession: false })
    await expect(foreign).rejects.toMatchObject({ code: 'unsupported' })
  })

  it.each([
    `set search_path = pg_catalog`,
    `listen things`,
    `prepare mine as select 1`,
    `declare held cursor with hold for select 1`,
  ])('rejects what would hold for a session, and gives up its connection: %s', async (statement) => {
    const { router } = ground
    const closed: string[] = []
    using _ = router.on('closed', ({ tenant, reason }) => {
      if (tenant === 'lasting') closed.push(reason)
    })
    await expect(router.sql('lasting').unsafe(statement)).rejects.toMatchObject({ code: 'unsupported' })
    await vi.waitFor(() => expect(closed).toEqual(['unclean']))
    expect(await router.sql('lasting')`select 1 as one`).toEqual([{ one: 1 }])
  })

  it('keeps the settings that values are read by, also after a transaction changed one for good', async () => {
    const { router } = ground
    const sql = router.sql('formats')
    await router.transaction('formats', {}, (tx) => tx`set timezone = 'Asia/Tokyo'`)
    const connections = () => router.stats().pools.filter(({ tenant }) => tenant === 'formats').length
    await vi.waitFor(() => expect(connections()).toBe(0))
    expect(await sql`show timezone`).toEqual([{ TimeZone: 'UTC' }])
    await router.transaction('formats', {}, (tx) => tx`set local timezone = 'Asia/Tokyo'`)
    expect(connections()).toBe(1)
    expect(await sql`show timezone`).toEqual([{ TimeZone: 'UTC' }])
  })

  it('cancels what its user cancels', async () => {
    const sql = ground.router.sql('impatient')
    const query = sql`select pg_sleep(30)`
    setTimeout(() => query.cancel(), 100)
    await expect(query).rejects.toMatchObject({ code: '57014' })
    expect(await sql`select 2 as two`).toEqual([{ two: 2 }])
  })

  it('opens no connection as a role whose values we would read wrongly', async () => {
    const { world, router } = ground
    const { role } = world.placeOf('odd')
    await world.server.execute(`alter role ${role} set bytea_output = 'escape'`)
    await expect(router.sql('odd')`select 1`).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringContaining('bytea_output'),
    })
  })
})

describe('a transaction pooler', () => {
  it('leaves no named statement in a backend, whoever made it', async () => {
    await using ground = await startPooledWorld(['acme'], { poolSize: 1 })
    const sql = ground.router.sql('acme')
    for (let i = 0; i < 3; i++) await sql`select ${i}::int as n`
    expect(await sql`select name from pg_prepared_statements`).toEqual([])
  })

  it('cancels at its time limit what runs, and nothing else', async () => {
    await using ground = await startPooledWorld(['acme'], { statementTimeoutMs: 300 })
    const sql = ground.router.sql('acme')
    const [late, inTime] = await Promise.allSettled([
      sql`select pg_sleep(30)`,
      sql`select pg_sleep(0.1), 1 as one`,
    ])
    expect(late).toMatchObject({ status: 'rejected', reason: { code: 'statement_timeout' } })
    expect(inTime).toMatchObject({ status: 'fulfilled' })
    expect(await sql`select 2 as two`).toEqual([{ two: 2 }])
  })

  it('takes the connection from a lease past its deadline, and gives the permit back though no process id is known', async () => {
    await using ground = await startPooledWorld(['acme'], {
      leaseTimeoutMs: 300,
      maxConnections: 1,
    })
    const { router, pooler, world } = ground
    const { role } = world.placeOf('acme')
    await world.server.execute(`alter role ${role} set client_connection_check_interval = '200ms'`)
    const held = router.withTenant('acme', (sql) => sql`select pg_sleep(30)`).catch((error: unknown) => error)
    await vi.waitFor(async () => expect(await sleepers(world, role)).toBe(1))
    pooler.pause()
    expect(await held).toMatchObject({ code: expect.stringMatching(/outcome_unknown|lease_expired/) })
    pooler.resume()
    expect(await router.sql('acme')`select 1 as one`).toEqual([{ one: 1 }])
  })

  it('says that nothing ran where the pooler had no backend in time', async () => {
    await using ground = await startPooledWorld(['acme'], {
      poolSize: 1,
      settings: { query_wait_timeout: 1 },
    })
    const { router } = ground
    const terms = { keepsSession: false }
    // Both open before one has the only backend.
    const [one, other] = await Promise.all([router.lease('acme', terms), router.lease('acme', terms)])
    await one.run({ text: 'begin' })
    const waited = other.run({ text: 'select 2' })
    await expect(waited).rejects.toMatchObject({ code: 'connection_lost' })
    await one.run({ text: 'commit' })
    one.release()
    other.release()
  })

  it('says of a tenant alone that its password or database is wrong, not of the server', async () => {
    await using ground = await startPooledWorld(['acme', 'globex'])
    const { world, router } = ground
    await world.change('acme', (record) => ({
      ...record,
      epoch: record.epoch + 1,
      route: { ...record.route, role: world.placeOf('globex').role },
    }))
    await vi.waitFor(() =>
      expect(router.sql('acme')`select 1`).rejects.toMatchObject({ code: 'login_failed' }),
    )
    expect(await router.sql('globex')`select 1 as one`).toEqual([{ one: 1 }])
  })

  it('gives 24 workers their own rows, over fewer backends than workers, under failures and cancels', async () => {
    const tenants = ['acme', 'globex', 'initech']
    await using ground = await startPooledWorld(tenants, { poolSize: 2, maxConnections: 12 })
    const { router } = ground
    const wrong: unknown[] = []
    const work = async (worker: number) => {
      for (let i = 0; i < 12; i++) {
        const tenant = tenants[(worker + i) % 3] ?? ''
        const sql = router.sql(tenant)
        const id = 1 + ((worker * 7 + i) % 20)
        if (i % 4 === 0) await sql`select 1 / (id - ${id}) from notes`.catch(() => {})
        if (i % 4 === 1) {
          const query = sql`select pg_sleep(5), 'cancelled' as body`
          setTimeout(() => query.cancel(), 5)
          await query.catch(() => {})
        }
        const rows =
          i % 4 === 2
            ? await router.transaction(tenant, {}, (tx) => tx`select id, tenant from notes where id = ${id}`)
            : await sql`select id, tenant from notes where id = ${id}`
        if (rows.length !== 1 || rows[0]?.['id'] !== id || rows[0]?.['tenant'] !== tenant) wrong.push(rows)
      }
    }
    await Promise.all(Array.from({ length: 24 }, (_, worker) => work(worker)))
    expect(wrong).toEqual([])
    for (const tenant of tenants) expect(await ground.world.sessionsOf(tenant)).toBeLessThanOrEqual(3)
  })
})

async function sleepers(world: World, role: string): Promise<number> {
  const text = `select count(*)::int as n from pg_stat_activity where usename = $1 and state = 'active' and query like '%pg_sleep%'`
  const [row] = await world.server.query<{ n: number }>(text, [role])
  return row?.n ?? 0
}
