import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { createSql } from '../../src/router/sql/sql-facade.ts'
import { Ground } from './sql-ground.ts'

let ground: Ground
beforeAll(async () => {
  ground = await Ground.open(1)
})
afterAll(async () => await ground[Symbol.asyncDispose]())

const CANCELLED = { code: '57014' }
/** Until the server sees it running. */
async function untilActive(text: string) {
  const running = () =>
    ground.server.query(
      `select 1 from pg_stat_activity where datname = $1 and state = 'active' and query like $2`,
      [ground.database, `%${text}%`],
    )
  await expect.poll(async () => (await running()).length, { timeout: 15_000 }).toBe(1)
}

describe('cancel', () => {
  it('ends a running statement, and the next one is not hit', async () => {
    const sql = ground.sql()
    const slow = sql`select pg_sleep(20), 'one'`.execute()
    await Promise.all([
      expect(slow).rejects.toMatchObject(CANCELLED),
      untilActive('one').then(() => slow.cancel()),
    ])
    for (let i = 0; i < 10; i++) expect(await sql`select 1 as n`).toEqual([{ n: 1 }])
  })

  it('rejects a statement that waits for a connection at once, and gives its place up', async () => {
    const sql = ground.sql()
    const held = await ground.hold()
    const waiting = sql`select 1`.execute()
    const last = sql`select 2 as n`.execute()
    await vi.waitFor(() => expect(ground.waiting).toBe(2))
    waiting.cancel()
    await expect(waiting).rejects.toMatchObject(CANCELLED)
    expect(ground.waiting).toBe(1)
    held.release()
    expect(await last).toEqual([{ n: 2 }])
    expect(ground.idle).toBe(1)
  })

  it('rejects a statement that was never awaited when it is, and does not run it', async () => {
    const sql = ground.sql()
    await sql`create table never (n int)`
    const statement = sql`insert into never values (1)`
    statement.cancel()
    await expect(statement).rejects.toMatchObject(CANCELLED)
    expect(await sql`select * from never`).toEqual([])
  })

  it('does not run a statement whose connection came all the same', async () => {
    const sql = ground.sql()
    await sql`create table late (n int)`
    const held = await ground.hold()
    const deaf = createSql({ hold: () => ground.hold() })
    const statement = deaf`insert into late values (1)`.execute()
    await vi.waitFor(() => expect(ground.waiting).toBe(1))
    statement.cancel()
    held.release()
    await expect(statement).rejects.toMatchObject(CANCELLED)
    expect(await sql`select * from late`).toEqual([])
  })

  it('does nothing to a statement that has ended, nor to the one after it', async () => {
    const sql = ground.sql()
    const statement = sql`select 1 as n`
    await statement
    const gate = await ground.server.connect(ground.database)
    await gate.query('select pg_advisory_lock(1)')
    const next = sql`select pg_advisory_xact_lock(1)::text as waited, 'next'`.execute()
    const cancel = async () => {
      await untilActive('next')
      statement.cancel()
      await gate.query('select pg_sleep(0.3)') // for a cancel to arrive, were one sent
      await gate.end()
    }
    await Promise.all([cancel(), expect(next).resolves.toHaveLength(1)])
    expect(await statement).toEqual([{ n: 1 }])
  })

  it('never hits a later statement, however the two race', async () => {
    const sql = ground.sql()
    for (let i = 0; i < 60; i++) {
      const raced = sql`select ${i}::int as raced`.execute()
      raced.then(
        () => {},
        () => {},
      )
      if (i % 3 === 0) await new Promise(setImmediate)
      raced.cancel()
      expect(await sql`select ${i}::int as n`).toEqual([{ n: i }])
    }
  })
})
