import { Readable, type Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { CLOSE, PostgresError } from '../../src/connection/driver.ts'
import type { DriverConnection } from '../../src/connection/driver-connection.ts'
import type { DriverQuery } from '../../src/connection/driver-query.ts'
import { InternalError, UnsupportedError } from '../../src/errors.ts'
import { type Ground, startGround, tagOn, unsafeOn } from './ground.ts'

let ground: Ground
let connection: DriverConnection
let sql: ReturnType<typeof tagOn>
let unsafe: ReturnType<typeof unsafeOn>

beforeAll(async () => {
  ground = await startGround()
  connection = await ground.open()
  sql = tagOn(connection)
  unsafe = unsafeOn(connection)
})

afterAll(() => ground[Symbol.asyncDispose]())

const failed = (query: PromiseLike<unknown>): Promise<unknown> =>
  Promise.resolve(query).then(
    () => 'no error',
    (error: unknown) => error,
  )

/** The next statement sees its own rows and nothing else. */
async function expectCleanNext(): Promise<void> {
  expect(await sql`select generate_series(1, 2) as n`).toEqual([{ n: 1 }, { n: 2 }])
}

describe('a query object of a user', () => {
  it('answers as in postgres.js: result, count, command, values, raw, describe', async () => {
    const result = await sql`select ${'x'}::text as a`
    expect(result).toEqual([{ a: 'x' }])
    expect(result).toMatchObject({ count: 1, command: 'SELECT' })
    expect(await sql`select 1, 2`.values()).toEqual([[1, 2]])
    expect(await sql`select 'x'`.raw()).toEqual([[Buffer.from('x')]])
    expect(await sql`select ${1}::int as a`.describe()).toMatchObject({
      types: [23],
      columns: [{ name: 'a' }],
    })
    expect(await unsafe('select 1 as a; select 2 as b')).toEqual([[{ a: 1 }], [{ b: 2 }]])
    await expectCleanNext()
  })

  it('puts fragments and nested queries in place', async () => {
    const where = sql`where n > ${2}`
    expect(await sql`select n from generate_series(1, 4) n ${where}`).toEqual([{ n: 3 }, { n: 4 }])
  })

  it('rejects with the error of postgres.js, which carries no parameters', async () => {
    const error = await failed(sql`select ${'canary-77'}::text, 1/0`)
    expect(error).toBeInstanceOf(PostgresError)
    expect(error).toMatchObject({ name: 'PostgresError', code: '22012', severity: 'ERROR' })
    expect(Object.getOwnPropertyNames(error)).not.toEqual(
      expect.arrayContaining([expect.stringMatching(/^(parameters|args|types)$/)]),
    )
    await expectCleanNext()
  })

  it('does not keep the text of a failed unsafe query in the stack', async () => {
    const error = await failed(unsafe('select nothing_here'))
    expect((error as Error).stack).toContain('nothing_here" does not exist')
    expect((error as { query?: string }).query).toBe('select nothing_here')
  })

  it('rejects when its values cannot be sent, and the connection goes on', async () => {
    expect(await failed(sql`select ${undefined}`)).toMatchObject({ code: 'UNDEFINED_VALUE' })
    await expectCleanNext()
  })

  it('rejects while another one runs', async () => {
    const first = sql`select pg_sleep(0.05)`.execute()
    await vi.waitFor(() => expect(connection.isBusy).toBe(true), { interval: 1 })
    expect(await failed(sql`select 1`)).toBeInstanceOf(InternalError)
    await first
    await expectCleanNext()
  })
})

describe('forEach', () => {
  it('sees every row', async () => {
    const rows: unknown[] = []
    await sql`select generate_series(1, 3) as n`.forEach((row) => rows.push(row))
    expect(rows).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }])
  })

  it('rejects with what its callback throws, which is called no more', async () => {
    const callback = vi.fn<() => void>(() => {
      throw new Error('enough')
    })
    expect(await failed(sql`select generate_series(1, 100) as n`.forEach(callback))).toEqual(
      new Error('enough'),
    )
    expect(callback).toHaveBeenCalledOnce()
    await expectCleanNext()
  })
})

describe('a cursor', () => {
  const numbers = () => sql`select generate_series(1, 5) as n`

  it('hands batches to its callback, one after another', async () => {
    const batches: number[] = []
    await numbers().cursor(2, async (rows: unknown[]) => {
      await new Promise((resolve) => setImmediate(resolve))
      batches.push(rows.length)
    })
    expect(batches).toEqual([2, 2, 1])
    await expectCleanNext()
  })

  it.each([
    ['at the first batch', 1],
    ['at the last batch, which the driver does not wait for', 3],
  ])('rejects with what its callback throws %s, sync or async', async (_, failing) => {
    for (const isAsync of [true, false]) {
      let calls = 0
      const callback = (): Promise<void> | undefined => {
        if (++calls < failing) return undefined
        if (isAsync) return Promise.reject(new Error('enough'))
        throw new Error('enough')
      }
      expect(await failed(numbers().cursor(2, callback) as DriverQuery)).toEqual(new Error('enough'))
      expect(calls).toBe(failing)
      await expectCleanNext()
    }
  })

  it('ends when its callback answers CLOSE', async () => {
    let calls = 0
    await numbers().cursor(2, () => {
      calls++
      return CLOSE
    })
    expect(calls).toBe(1)
    await expectCleanNext()
  })

  it('gives batches to for await, and ends with it', async () => {
    const batches: unknown[][] = []
    for await (const rows of numbers().cursor(2) as AsyncIterable<unknown[]>) batches.push([...rows])
    expect(batches).toEqual([[{ n: 1 }, { n: 2 }], [{ n: 3 }, { n: 4 }], [{ n: 5 }]])
    await expectCleanNext()
  })

  it('is closed by leaving for await, and the connection is free at once', async () => {
    for await (const rows of numbers().cursor(2) as AsyncIterable<unknown[]>) {
      expect(rows).toHaveLength(2)
      break
    }
    expect(connection.isBusy).toBe(false)
    await expectCleanNext()
  })

  it('rejects in for await with what Postgres says in its midst', async () => {
    const seen: unknown[] = []
    const loop = async () => {
      const cursor = sql`select 1/(4-g) as n from generate_series(1,9) g`.cursor(2)
      for await (const rows of cursor as AsyncIterable<unknown[]>) seen.push(...rows)
    }
    expect(await failed(loop())).toMatchObject({ code: '22012' })
    expect(seen).toHaveLength(2)
    await expectCleanNext()
  })

  it('answers nothing for no rows', async () => {
    const batches: unknown[] = []
    for await (const rows of sql`select 1 where false`.cursor(2) as AsyncIterable<unknown[]>)
      batches.push(rows)
    expect(batches).toEqual([])
    await expectCleanNext()
  })
})

describe('COPY', () => {
  it('takes rows from a stream; the connection is free when the copy has ended', async () => {
    await sql`create table copied (n int)`
    const query = sql`copy copied from stdin`
    const stream = (await query.writable()) as unknown as Writable
    expect(connection.isBusy).toBe(true)
    await pipeline(Readable.from(['1\n', '2\n', '3\n']), stream)
    await vi.waitFor(() => expect(connection.isBusy).toBe(false))
    expect(await sql`select sum(n)::int as sum from copied`).toEqual([{ sum: 6 }])
  })

  it('gives rows as a stream, with backpressure', async () => {
    const stream =
      (await sql`copy (select generate_series(1, 50000)) to stdout`.readable()) as unknown as Readable
    let bytes = 0
    for await (const chunk of stream) bytes += (chunk as Buffer).length
    expect(bytes).toBe(288_894)
    await vi.waitFor(() => expect(connection.isBusy).toBe(false))
    await expectCleanNext()
  })

  it('goes on after a last row that made the stream wait', async () => {
    // The end must come in one chunk with that row, which is up to the network: so it may try a few times.
    let isFree = false
    for (let attempt = 0; attempt < 20 && !isFree; attempt++) {
      const stream =
        (await sql`copy (select repeat('x', 100000)) to stdout`.readable()) as unknown as Readable
      const free = vi.waitFor(() => expect(connection.isBusy).toBe(false), { timeout: 200 })
      isFree = await free.then(
        () => true,
        () => false,
      )
      stream.destroy()
      await vi.waitFor(() => expect(connection.isBusy).toBe(false))
      await expectCleanNext()
    }
    expect(isFree).toBe(true)
  })

  it('is ended by leaving its stream early, and the connection goes on', async () => {
    const query = sql`copy (select generate_series(1, 1000000)) to stdout`
    const stream = (await query.readable()) as unknown as Readable
    for await (const chunk of stream) {
      expect(chunk).toBeInstanceOf(Buffer)
      break
    }
    await vi.waitFor(() => expect(connection.isBusy).toBe(false), { timeout: 10_000 })
    await expectCleanNext()
  })

  it.each(['copy copied from stdin', 'copy copied to stdout'])(
    'is refused in a plain query, and the connection is closed: %s',
    async (text) => {
      const own = await ground.open()
      expect(await failed(unsafeOn(own)(text))).toBeInstanceOf(UnsupportedError)
      await own.closed
      const other = await ground.open()
      await expect(other.run({ text })).rejects.toBeInstanceOf(UnsupportedError)
      await other.closed
    },
  )
})
