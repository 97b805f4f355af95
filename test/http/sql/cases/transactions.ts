import { expect } from 'vitest'
import type { SqlCase } from '../sql-case.ts'
import type { SqlEndpoint } from '../sql-ground.ts'

const LEVELS = ['ReadUncommitted', 'ReadCommitted', 'RepeatableRead', 'Serializable'] as const
const asInSql = (level: string) => level.replace(/(?!^)[A-Z]/, ' $&').toLowerCase()

const levels: readonly SqlCase[] = LEVELS.map((isolationLevel) => ({
  name: `a batch runs at ${isolationLevel}, and says so`,
  async run({ sql, post }) {
    const [rows] = await sql.transaction([sql`show transaction_isolation`], { isolationLevel })
    expect(rows).toEqual([{ transaction_isolation: asInSql(isolationLevel) }])
    const headers = { 'neon-batch-isolation-level': isolationLevel }
    const answer = await post({ queries: [{ query: 'select 1' }] }, headers)
    expect(answer.headers.get('neon-batch-isolation-level')).toBe(isolationLevel)
  },
}))

const codes = async ({ sql }: SqlEndpoint) =>
  (await sql`select code from goods where code like 'b%' order by 1`).map(({ code }) => code)

/** In a table that is as before, and left so. */
const clean = (name: string, run: SqlCase['run']): SqlCase => ({
  name,
  async run(endpoint) {
    try {
      await run(endpoint)
    } finally {
      await endpoint.sql`delete from orders`
      await endpoint.sql`delete from goods where code like 'b%'`
    }
  },
})

export const transactions: readonly SqlCase[] = [
  ...levels,
  clean('a batch is one transaction, and its results are in order', async ({ full }) => {
    const [first, insert, second] = await full.transaction([
      full`select txid_current()::text as id`,
      full`insert into goods values ('b1', 1)`,
      full`select txid_current()::text as id`,
    ])
    expect([first?.rows, insert?.command]).toEqual([second?.rows, 'INSERT'])
  }),
  clean('the first error of a batch takes back what was before it', async (endpoint) => {
    const { sql } = endpoint
    const failing = [sql`insert into goods values ('b1', 1)`, sql`select 1/0`, sql`select nowhere`]
    await expect(sql.transaction(failing)).rejects.toMatchObject({ code: '22012' })
    expect(await codes(endpoint)).toEqual([])
  }),
  clean('a constraint that fails at COMMIT is the answer, and nothing stays', async (endpoint) => {
    const { sql } = endpoint
    const late = [sql`insert into goods values ('b1', 1)`, sql`insert into orders values (1, 'nothing')`]
    await expect(sql.transaction(late)).rejects.toMatchObject({ code: '23503', constraint: 'of_a_good' })
    expect(await codes(endpoint)).toEqual([])
  }),
  clean('a batch that only reads cannot write', async (endpoint) => {
    const { sql } = endpoint
    const writing = sql.transaction([sql`insert into goods values ('b1', 1)`], { readOnly: true })
    await expect(writing).rejects.toMatchObject({ code: '25006' })
    expect(await codes(endpoint)).toEqual([])
  }),
  {
    name: 'a deferrable batch is one, and says so with the others that took effect',
    async run({ sql, post }) {
      const options = { isolationLevel: 'Serializable', readOnly: true, deferrable: true } as const
      const [rows] = await sql.transaction([sql`show transaction_deferrable`], options)
      expect(rows).toEqual([{ transaction_deferrable: 'on' }])
      const headers = { 'neon-batch-read-only': 'true', 'neon-batch-deferrable': 'false' }
      const answer = await post({ queries: [] }, headers)
      expect(answer.json).toEqual({ results: [] })
      expect(answer.headers.get('neon-batch-read-only')).toBe('true')
      expect(answer.headers.get('neon-batch-deferrable')).toBeNull()
    },
  },
  {
    name: 'an isolation level that there is not is refused',
    async run({ post }) {
      const { status, json } = await post({ queries: [] }, { 'neon-batch-isolation-level': 'Snapshot' })
      expect([status, json.code]).toEqual([400, '08P01'])
    },
  },
  clean('a batch cannot end its own transaction', async (endpoint) => {
    const { sql } = endpoint
    for (const end of [
      'commit',
      '/* a */ COMMIT AND CHAIN',
      'rollback',
      'end',
      'abort',
      "prepare transaction 'x'",
    ]) {
      const batch = [sql`insert into goods values ('b1', 1)`, sql.query(end), sql`select 1/0`]
      await expect(sql.transaction(batch)).rejects.toMatchObject({ code: '08P01' })
    }
    expect(await codes(endpoint)).toEqual([])
  }),
  clean('what one batch does is there for the next request', async (endpoint) => {
    const { sql } = endpoint
    await sql.transaction([sql`insert into goods values ('b1', 1)`, sql`insert into goods values ('b2', 1)`])
    expect(await codes(endpoint)).toEqual(['b1', 'b2'])
  }),
]
