import { afterAll, beforeAll, describe, expect, it } from 'vitest'
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
  await expect.poll(async () => (await running()).length).toBe(1)
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
    waiting.cancel()
    await expect(waiting).rejects.toMatchObject(CANCELLED)
    held.release()
    expect(await last).toEqual([{ n: 2 }])
    expect(ground.idle).toBe(1)
  })

  it('rejects a statement that was never awaited when it is', async () => {
    const statement = ground.sql()`select 1`
    statement.cancel()
    await expect(statement).rejects.toMatchObject(CANCELLED)
  })

  it('does nothing to a statement that has ended', async () => {
    const sql = ground.sql()
    const statement = sql`select 1 as n`
    await statement
    statement.cancel()
    statement.cancel()
    expect(await sql`select pg_sleep(0.05)::text as n`).toEqual([{ n: '' }])
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
