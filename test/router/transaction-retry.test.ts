import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { CancelledError, InvalidRequestError, OutcomeUnknownError } from '../../src/errors.ts'
import { startWorld, type World } from '../support/world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld(['acme'])
  await world.execute(
    'acme',
    `create table counters (id int primary key, n int not null); grant all on counters to public;
     create function end_session() returns trigger language plpgsql as
       'begin perform pg_terminate_backend(pg_backend_pid()); return null; end';
     create table fatal (id int); grant all on fatal to public;
     create constraint trigger at_commit after insert on fatal deferrable initially deferred
       for each row execute function end_session()`,
  )
})
beforeEach(() => world.execute('acme', 'truncate counters; insert into counters values (1, 0), (2, 0)'))
afterAll(() => world[Symbol.asyncDispose]())

const serializable = { isolation: 'serializable' } as const
const giveUp = (code: string) => `do $$ begin raise exception 'not now' using errcode = '${code}'; end $$`
const counter = async (id = 1) =>
  (await world.router.sql('acme')<{ n: number }[]>`select n from counters where id = ${id}`)[0]?.n

describe('a transaction that is to be tried again', () => {
  it.each(['40001', '40P01'])('runs its body again after %s, until it commits', async (code) => {
    let runs = 0
    const result = await world.router.transaction('acme', { retry: 3 }, async (sql) => {
      await sql`update counters set n = n + 1 where id = 1`
      if (++runs < 3) await sql.unsafe(giveUp(code))
      return runs
    })
    expect([result, await counter()]).toEqual([3, 1])
  })

  it('loses no update where many change one row at once', async () => {
    const add = () =>
      world.router.transaction('acme', { ...serializable, retry: 10 }, async (sql) => {
        const [row] = await sql<{ n: number }[]>`select n from counters where id = 1`
        await sql`update counters set n = ${(row?.n ?? 0) + 1} where id = 1`
      })
    await Promise.all(Array.from({ length: 8 }, add))
    expect(await counter()).toBe(8)
  })

  it('is tried again after a conflict that the server finds at the commit', async () => {
    let runs = 0
    await world.router.transaction('acme', { ...serializable, retry: 2 }, async (sql) => {
      runs++
      await sql`select sum(n) from counters`
      await sql`update counters set n = n + 1 where id = 1`
      if (runs > 1) return
      // Reads what the other writes, and writes what the other has read.
      await world.router.transaction('acme', serializable, async (other) => {
        await other`select sum(n) from counters`
        await other`update counters set n = n + 1 where id = 2`
      })
    })
    expect([runs, await counter(1), await counter(2)]).toEqual([2, 1, 1])
  })

  it('fails with what its last attempt failed with, and no attempt more than it was told', async () => {
    let runs = 0
    const failing = world.router.transaction('acme', { retry: 2 }, async (sql) => {
      runs++
      await sql.unsafe(giveUp('40001'))
    })
    await expect(failing).rejects.toMatchObject({ code: '40001' })
    expect(runs).toBe(3)
  })

  it.each([
    ['was not asked to', {}, giveUp('40001'), '40001'],
    ['failed for another reason', { retry: 5 }, 'select 1 / 0', '22012'],
  ])('is not tried again where it %s', async (_, options, text, code) => {
    let runs = 0
    const failing = world.router.transaction('acme', options, async (sql) => {
      runs++
      await sql.unsafe(text)
    })
    await expect(failing).rejects.toMatchObject({ code })
    expect(runs).toBe(1)
  })

  it.each([
    ['under it', 'select pg_terminate_backend(pg_backend_pid())'],
    ['under its commit', 'insert into fatal values (1)'],
  ])(
    'is never tried again where its connection was lost %s: nobody knows what it has done',
    async (_, text) => {
      let runs = 0
      const failing = world.router.transaction('acme', { retry: 5 }, async (sql) => {
        runs++
        await sql.unsafe(text)
      })
      await expect(failing).rejects.toBeInstanceOf(OutcomeUnknownError)
      expect(runs).toBe(1)
    },
  )

  it('sees what the server said through what an ORM makes of it', async () => {
    let runs = 0
    await world.router.transaction('acme', { retry: 1 }, async (sql) => {
      if (++runs > 1) return
      await sql.unsafe(giveUp('40001')).catch((cause: unknown) => {
        throw new Error('Failed query', { cause })
      })
    })
    expect(runs).toBe(2)
  })

  it('ends with its signal, between two attempts too', async () => {
    const abort = new AbortController()
    let runs = 0
    const failing = world.router.transaction('acme', { retry: 10, signal: abort.signal }, async (sql) => {
      if (++runs === 2) abort.abort()
      await sql.unsafe(giveUp('40001'))
    })
    await expect(failing).rejects.toBeInstanceOf(CancelledError)
    expect(runs).toBe(2)
  })

  it('begins no attempt past the deadline of its lease', async () => {
    let runs = 0
    const failing = world.router.transaction('acme', { retry: 10, leaseTimeoutMs: 400 }, async (sql) => {
      runs++
      await sql`select pg_sleep(0.25)`
      await sql.unsafe(giveUp('40001'))
    })
    await expect(failing).rejects.toMatchObject({ code: expect.stringMatching('40001|lease_expired') })
    expect(runs).toBeLessThan(3)
  })

  it('holds no connection while it waits', async () => {
    let held = 0
    world.router.on('released', () => held--)
    world.router.on('leased', () => held++)
    const atBodies: number[] = []
    await world.router.transaction('acme', { retry: 2 }, async (sql) => {
      atBodies.push(held)
      if (atBodies.length < 3) await sql.unsafe(giveUp('40001'))
    })
    expect(atBodies).toEqual([1, 1, 1])
    expect(held).toBe(0)
  })

  it.each([-1, 11, 1.5])('refuses to be tried again %s times', async (retry) => {
    const refused = world.router.transaction('acme', { retry }, () => expect.unreachable())
    await expect(refused).rejects.toBeInstanceOf(InvalidRequestError)
  })
})
