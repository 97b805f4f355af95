import { type Generated, Kysely, sql as text } from 'kysely'
import { PostgresJSDialect } from 'kysely-postgres-js'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { LeaseReleasedError } from '../../src/errors.ts'
import { Ground } from '../router/sql-ground.ts'

interface Database {
  projects: {
    id: Generated<number>
    name: string
    data: { readonly a: number } | null
    at: Date | null
    views: string | null
  }
}

const SCHEMA =
  'create table projects (id serial primary key, name text, data jsonb, at timestamptz, views int8)'

let ground: Ground
const open = () => new Kysely<Database>({ dialect: new PostgresJSDialect({ postgres: ground.sql() }) })
let db: Kysely<Database>
beforeAll(async () => {
  ground = await Ground.open(2, SCHEMA)
  db = open()
})
beforeEach(async () => void (await ground.sql()`truncate projects restart identity`))
afterAll(async () => await ground[Symbol.asyncDispose]())

const names = async () =>
  (await db.selectFrom('projects').select('name').orderBy('id').execute()).map((r) => r.name)

describe('Kysely over a handle', () => {
  it('stores and reads', async () => {
    const row = {
      name: 'one',
      data: { a: 1 },
      at: new Date('2026-01-02T03:04:05.678Z'),
      views: '9007199254740993',
    }
    const stored = await db.insertInto('projects').values(row).returningAll().executeTakeFirstOrThrow()
    expect(stored).toEqual({ id: 1, ...row })
    const updated = await db.updateTable('projects').set({ name: 'two' }).executeTakeFirst()
    expect(updated.numUpdatedRows).toBe(1n)
  })

  it('commits and rolls back transactions', async () => {
    await db.transaction().execute(async (tx) => {
      await tx.insertInto('projects').values({ name: 'kept', data: null, at: null, views: null }).execute()
    })
    const failing = db.transaction().execute(async (tx) => {
      await tx.insertInto('projects').values({ name: 'lost', data: null, at: null, views: null }).execute()
      throw new Error('mine')
    })
    await expect(failing).rejects.toThrow('mine')
    expect(await names()).toEqual(['kept'])
  })

  it('keeps isolation level and access mode', async () => {
    const transaction = db.transaction().setIsolationLevel('serializable').setAccessMode('read only')
    const seen = await transaction.execute(async (tx) => {
      return await text`select current_setting('transaction_isolation') i, current_setting('transaction_read_only') r`.execute(
        tx,
      )
    })
    expect(seen.rows).toEqual([{ i: 'serializable', r: 'on' }])
    const writing = transaction.execute((tx) =>
      tx.insertInto('projects').values({ name: 'x', data: null, at: null, views: null }).execute(),
    )
    await expect(writing).rejects.toMatchObject({ code: '25006' })
  })

  it('keeps savepoints of a transaction that it controls', async () => {
    const tx = await db.startTransaction().execute()
    const row = { data: null, at: null, views: null }
    await tx
      .insertInto('projects')
      .values({ name: 'kept', ...row })
      .execute()
    const after = await tx.savepoint('one').execute()
    await after
      .insertInto('projects')
      .values({ name: 'lost', ...row })
      .execute()
    await after.rollbackToSavepoint('one').execute()
    await tx.commit().execute()
    expect(await names()).toEqual(['kept'])
  })

  it('streams, and frees the connection when the loop is left', async () => {
    const rows = Array.from({ length: 500 }, (_, n) => ({ name: `p${n}`, data: null, at: null, views: null }))
    await db.insertInto('projects').values(rows).execute()
    const streamed: string[] = []
    for await (const row of db.selectFrom('projects').select('name').orderBy('id').stream(70))
      streamed.push(row.name)
    expect(streamed).toEqual(rows.map((row) => row.name))
    for (let round = 0; round < 5; round++) {
      for await (const row of db.selectFrom('projects').select('name').orderBy('id').stream(7)) {
        expect(row.name).toBe('p0')
        break
      }
    }
    expect(await names()).toHaveLength(500)
    await expect.poll(() => ground.idle).toBe(2)
  })

  it('ends its own handle alone when it is destroyed', async () => {
    const sql = ground.sql()
    const other = new Kysely<Database>({ dialect: new PostgresJSDialect({ postgres: sql }) })
    await text`select 1`.execute(other)
    await other.destroy()
    await expect(sql`select 1`).rejects.toBeInstanceOf(LeaseReleasedError)
    expect((await text`select 1 as n`.execute(db)).rows).toEqual([{ n: 1 }])
  })
})
