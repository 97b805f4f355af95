import { randomInt } from 'node:crypto'
import { expect, vi } from 'vitest'
import type { SqlCase } from '../sql-case.ts'
import type { SqlEndpoint } from '../sql-ground.ts'

/** What would be seen by the next request, were it left. */
const DIRTY: readonly (readonly [left: string, look: string, clean: unknown])[] = [
  ["set application_name = 'left'", 'show application_name', [{ application_name: 'tenantry' }]],
  [
    "select set_config('my.own', 'left', false)",
    "select nullif(current_setting('my.own', true), '') as v",
    [{ v: null }],
  ],
  [
    'start transaction isolation level serializable',
    'show transaction_isolation',
    [{ transaction_isolation: 'read committed' }],
  ],
  ['create temporary table left_over (id int)', "select to_regclass('left_over') as v", [{ v: null }]],
  [
    'select pg_advisory_lock(4711)',
    "select count(*)::int as v from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()",
    [{ v: 0 }],
  ],
  ['listen somewhere', 'select count(*)::int as v from pg_listening_channels()', [{ v: 0 }]],
  ['prepare left_plan as select 1', 'select count(*)::int as v from pg_prepared_statements', [{ v: 0 }]],
  [
    'declare c cursor with hold for select 1',
    "select count(*)::int as v from pg_cursors where name <> ''",
    [{ v: 0 }],
  ],
]

const stateless: readonly SqlCase[] = DIRTY.map(([left, look, clean]) => ({
  name: `${left} reaches no later request`,
  async run({ sql }) {
    await sql.query(left)
    // Several, so that each connection of the tenant has a turn.
    const seen = await Promise.all([1, 2, 3].map(() => sql.query(look)))
    expect(seen).toEqual([clean, clean, clean])
  },
}))

/** How often the server runs the text for the tenant now. */
async function running({ http }: SqlEndpoint, text: string): Promise<number> {
  const rows = await http.world.server.query<{ n: number }>(
    `select count(*)::int as n from pg_stat_activity where datname = $1 and state = 'active' and query = $2`,
    [http.world.placeOf('acme').database, text],
  )
  return rows[0]?.n ?? 0
}

export const sessions: readonly SqlCase[] = [
  ...stateless,
  {
    name: 'a transaction left open reaches no later request',
    async run({ sql }) {
      await sql`begin`
      const savepoints = await Promise.allSettled([1, 2, 3].map(() => sql`savepoint s`))
      // No active transaction.
      expect(savepoints).toMatchObject([1, 2, 3].map(() => ({ reason: { code: '25P01' } })))
    },
  },
  {
    name: 'a statement that ends its own backend is rejected with the last words of that, and the next one runs',
    async run({ sql }) {
      const killed = sql`select pg_terminate_backend(pg_backend_pid()), pg_sleep(10)`
      await expect(killed).rejects.toMatchObject({ code: '57P01', severity: 'FATAL' })
      expect(await sql`select 1 as a`).toEqual([{ a: 1 }])
    },
  },
  {
    name: 'a backend killed in a batch rejects the batch, and what it did is undone',
    async run({ sql }) {
      const batch = [
        sql`insert into goods values ('k1', 1)`,
        sql`select pg_terminate_backend(pg_backend_pid()), pg_sleep(10)`,
        sql`select 1`,
      ]
      await expect(sql.transaction(batch)).rejects.toMatchObject({ code: '57P01' })
      expect(await sql`select * from goods where code = 'k1'`).toEqual([])
    },
  },
  {
    name: 'eight requests beside one that kills its backend all end',
    async run({ sql }) {
      const killing = sql`select pg_terminate_backend(pg_backend_pid()), pg_sleep(10)`
      const others = Array.from({ length: 8 }, (_, at) => sql`select ${at}::int as a`)
      const [killed, ...answers] = await Promise.allSettled([killing, ...others])
      expect(killed?.status).toBe('rejected')
      expect(answers.map(({ status }) => status)).toEqual(others.map(() => 'fulfilled'))
    },
  },
  {
    name: 'a timeout of 1 ms between the statements of a batch ends it',
    async run({ sql }) {
      // Whichever comes first, the server's clock or our next statement, none may hang.
      const batch = [
        sql`set local idle_in_transaction_session_timeout to '1ms'`,
        ...Array.from({ length: 40 }, () => sql`select 1`),
      ]
      const [outcome] = await Promise.allSettled([sql.transaction(batch)])
      if (outcome?.status === 'rejected') expect(outcome.reason).toMatchObject({ code: '25P03' })
      expect(await sql`select 1 as a`).toEqual([{ a: 1 }])
    },
  },
  {
    name: 'COPY is refused, and the next request runs',
    async run({ sql }) {
      await expect(sql`copy notes from stdin`).rejects.toMatchObject({ code: '0A000' })
      await expect(sql`copy notes to stdout`).rejects.toMatchObject({ code: '0A000' })
      expect(await sql`select 1 as a`).toEqual([{ a: 1 }])
    },
  },
  {
    name: 'a statement timeout of its own is the answer',
    async run({ sql }) {
      const batch = [sql`set local statement_timeout to '20ms'`, sql`select pg_sleep(10)`]
      await expect(sql.transaction(batch)).rejects.toMatchObject({ code: '57014' })
    },
  },
  {
    name: 'a client that leaves has its statement ended on the server, and undone',
    async run(endpoint) {
      const leaving = new AbortController()
      const mark = `l${randomInt(1e9)}`
      const text = `with kept as (insert into goods values ('${mark}', 1) returning 1) select pg_sleep(8) from kept`
      const asked = endpoint.sql.query(text, [], { fetchOptions: { signal: leaving.signal } })
      const outcome = Promise.allSettled([asked])
      try {
        await vi.waitFor(async () => expect(await running(endpoint, text)).toBe(1), 5_000)
        leaving.abort()
        expect(await outcome).toMatchObject([{ status: 'rejected' }])
        await vi.waitFor(async () => expect(await running(endpoint, text)).toBe(0), 2_000)
        expect(await endpoint.sql`select * from goods where code = ${mark}`).toEqual([])
      } finally {
        await endpoint.http.world.server.query(
          'select pg_terminate_backend(pid) from pg_stat_activity where query = $1',
          [text],
        )
      }
    },
  },
  {
    name: 'forty requests at once are each answered with their own',
    async run({ sql }) {
      const asked = Array.from({ length: 40 }, (_, at) => sql`select ${at}::int as a`)
      expect(await Promise.all(asked)).toEqual(asked.map((_, a) => [{ a }]))
    },
  },
]
