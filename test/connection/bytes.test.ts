import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { DriverConnection } from '../../src/connection/driver-connection.ts'
import { DriverQuery } from '../../src/connection/driver-query.ts'
import { driverProfile } from '../../src/connection/type-profile.ts'
import { ResultTooLargeError } from '../../src/errors.ts'
import { type Ground, startGround } from './ground.ts'

const MEGABYTE = 1_048_576
const KILOBYTE_ROWS = (count: number) => `select repeat('x', 1024) as x from generate_series(1, ${count})`

let ground: Ground
let connection: DriverConnection

beforeAll(async () => {
  ground = await startGround()
  connection = await ground.open()
})

afterAll(() => ground[Symbol.asyncDispose]())

/** A query of a user under a cap, sent on `connection`. */
function capped(text: string, maxBytes: number): DriverQuery {
  return new DriverQuery(
    [text],
    [],
    // The handler is called with the query that it was given to.
    (query) => void connection.dispatch(query as DriverQuery, driverProfile, { maxBytes }),
    null,
  )
}

describe('the byte cap', () => {
  it('lets an answer through that is just under it', async () => {
    const { rows } = await connection.run({ text: KILOBYTE_ROWS(900), maxBytes: MEGABYTE })
    expect(rows).toHaveLength(900)
  })

  it('cancels a long answer, and the connection goes on', async () => {
    const start = performance.now()
    await expect(
      connection.run({ text: `${KILOBYTE_ROWS(10_000_000)}, pg_sleep(0)`, maxBytes: MEGABYTE }),
    ).rejects.toBeInstanceOf(ResultTooLargeError)
    expect(performance.now() - start).toBeLessThan(5_000)
    expect(connection.isOpen).toBe(true)
    expect((await connection.run({ text: 'select generate_series(1, 2) as n' })).rows).toHaveLength(2)
  })

  it('refuses an answer that came whole before the cancel', async () => {
    await expect(connection.run({ text: KILOBYTE_ROWS(1_100), maxBytes: MEGABYTE })).rejects.toBeInstanceOf(
      ResultTooLargeError,
    )
    expect((await connection.run({ text: 'select 1 as n' })).rows).toEqual([{ n: 1 }])
  })

  it('ends the connection at the header of a 300 MB value, which is never held', async () => {
    const own = await ground.open()
    global.gc?.()
    const before = process.memoryUsage().rss
    let most = before
    const watch = setInterval(() => {
      most = Math.max(most, process.memoryUsage().rss)
    }, 1)
    await expect(
      own.run({ text: "select repeat('x', 300000000)", maxBytes: 10 * MEGABYTE }),
    ).rejects.toBeInstanceOf(ResultTooLargeError)
    clearInterval(watch)
    await own.closed
    expect(most - before).toBeLessThan(50 * MEGABYTE)
  })

  it('counts for a cursor since its reader last took a batch', async () => {
    let rows = 0
    await (capped(KILOBYTE_ROWS(5_000), MEGABYTE).cursor(500, (batch: unknown[]) => {
      rows += batch.length
    }) as DriverQuery)
    expect(rows).toBe(5_000)
    const callback = vi.fn<() => void>()
    await expect(
      capped(KILOBYTE_ROWS(5_000), MEGABYTE).cursor(1_100, callback) as DriverQuery,
    ).rejects.toBeInstanceOf(ResultTooLargeError)
    expect(callback).not.toHaveBeenCalled()
    expect((await connection.run({ text: 'select 1 as n' })).rows).toEqual([{ n: 1 }])
  })

  it('ends the connection of a statement that catches the cancel and goes on', async () => {
    const own = await ground.open()
    await own.run({
      text: `create function stubborn(n int) returns text language plpgsql as $$ begin
        perform pg_sleep(0.001); return repeat('x', 65536); exception when query_canceled then return 'no'; end $$`,
    })
    const start = performance.now()
    await expect(
      own.run({ text: 'select stubborn(n) from generate_series(1, 1000000) n', maxBytes: MEGABYTE }),
    ).rejects.toBeInstanceOf(ResultTooLargeError)
    expect(performance.now() - start).toBeLessThan(8_000)
  })

  it('counts single rows for forEach', async () => {
    let rows = 0
    await capped(KILOBYTE_ROWS(5_000), MEGABYTE).forEach(() => {
      rows++
    })
    expect(rows).toBe(5_000)
  })
})
