import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { CLOSE, DriverClient, Query } from '../../src/connection/driver.ts'
import { DriverQuery } from '../../src/connection/driver-query.ts'
import { DriverSocket } from '../../src/connection/driver-socket.ts'
import { logIn } from '../../src/connection/login.ts'
import { OneTripQuery } from '../../src/connection/one-trip-query.ts'
import { startSession } from './driver-session.ts'
import { type Ground, startGround } from './ground.ts'

// As driver-contract.test.ts, of what the driver does on its socket and with its queries.

let ground: Ground

beforeAll(async () => {
  ground = await startGround()
})
afterAll(() => ground[Symbol.asyncDispose]())

describe('the socket', () => {
  it('is asked for once, and only these of its members are touched, in every way a session goes', async () => {
    const touched = new Set<PropertyKey>()
    await using session = await startSession(ground, touched)
    await session.ask('select $1::int', [1])
    await session.ask('select 1; select 2', [], { simple: true })
    await session.ask('select 1/0').catch(() => {})
    const big = new Query(
      ["copy (select repeat('x', 1000) from generate_series(1, 5000)) to stdout"],
      [],
      session.send,
      null,
      { simple: true },
    )
    const stream = (await big.readable()) as unknown as AsyncIterable<Buffer>
    let bytes = 0
    for await (const chunk of stream) bytes += chunk.length
    expect(bytes).toBeGreaterThan(5_000_000)
    // The first three are ours to call; `then` is asked for by the await of what the factory returned.
    for (const other of ['attach', 'deliver', 'drained', 'then']) touched.delete(other)
    expect(touched).toEqual(new Set(['on', 'pause', 'resume', 'write']))
  })

  it('has its data dealt with before the listener returns, and its login written unasked', async () => {
    const written: Buffer[] = []
    const port = new DriverSocket()
    new DriverClient(
      { user: 'someone', database: 'somewhere', settings: { statement_timeout: '0' } },
      port,
      () => {},
    )
    port.attach({ write: (chunk: Buffer) => written.push(chunk) } as never)
    await vi.waitFor(() => expect(written).toHaveLength(1))
    const packet = written[0]?.toString('latin1') ?? ''
    expect(packet).toContain(
      'user\0someone\0database\0somewhere\0client_encoding\0UTF8\0statement_timeout\u00000\0\0',
    )
  })
})

describe('a connection', () => {
  it('takes no statement after the login until `drain`, and asks nothing of its own', async () => {
    const login = await logIn(ground.target, new AbortController().signal)
    const rows = await ground.server.query('select state, query from pg_stat_activity where pid = $1', [
      login.key.pid,
    ])
    login.socket.destroy()
    expect(rows).toEqual([{ state: 'idle', query: '' }])
  })

  it('names statements by types and text, and describes each text once', async () => {
    await using session = await startSession(ground)
    for (const text of ['select 1 as n', 'select 1 as n', 'select 1 as n ']) await session.ask(text)
    const rows = await session.ask('select statement from pg_prepared_statements order by 1', [], {
      prepare: false,
    })
    expect(rows).toEqual([{ statement: 'select 1 as n' }, { statement: 'select 1 as n ' }])
  })

  it('sends a statement with parameters at once where it is not told to ask for their types first', async () => {
    await using session = await startSession(ground)
    const messages = async (Kind: typeof DriverQuery) => {
      const before = session.client.socket.writes
      const query = new Kind(['select $1::int as n'], ['5'], session.send, null, { prepare: false })
      expect(await query).toEqual([{ n: 5 }])
      return session.client.socket.writes - before
    }
    expect([await messages(DriverQuery), await messages(OneTripQuery)]).toEqual([2, 1])
    const wrong = new OneTripQuery(['selec $1'], ['5'], session.send, null, { prepare: false })
    await expect(wrong).rejects.toMatchObject({ code: '42601' })
    expect(await session.ask('select 6 as n')).toEqual([{ n: 6 }])
  })

  it('keeps the columns of a named statement with its query, the same array each time', async () => {
    await using session = await startSession(ground)
    const [first, second] = [session.query('select 3 as n'), session.query('select 3 as n')]
    await first
    await second
    expect(first.statement?.columns).toMatchObject([{ name: 'n', type: 23 }])
    expect(second.statement?.columns).toBe(first.statement?.columns)
  })

  it('says on the query whether it was prepared, and whether that was known', async () => {
    await using session = await startSession(ground)
    const [first, second] = [session.query('select 2 as n'), session.query('select 2 as n')]
    await first
    await second
    expect([first.prepare, first.prepared, second.prepare, second.prepared]).toEqual([
      true,
      false,
      true,
      true,
    ])
  })

  it('resolves several statements in one text with a list of results that have columns', async () => {
    await using session = await startSession(ground)
    const results = (await session.ask('select 1 as a; select 2 as b', [], { simple: true })) as {
      columns: unknown
    }[]
    expect(results.map((result) => result.columns)).toMatchObject([
      [{ name: 'a', type: 23 }],
      [{ name: 'b' }],
    ])
    expect('columns' in results).toBe(false)
  })

  it('hangs parameters on its errors, which therefore must be copied', async () => {
    await using session = await startSession(ground)
    const error = await session.ask('select $1::text, 1/0', ['canary']).catch((e: unknown) => e)
    expect(Object.getOwnPropertyNames(error)).toEqual(
      expect.arrayContaining(['query', 'parameters', 'args', 'types']),
    )
    expect(Object.getOwnPropertyDescriptor(error, 'parameters')?.configurable).toBe(false)
  })

  it('still has the row counter bug that the reset statement is for: if this fails, drop the reset', async () => {
    await using session = await startSession(ground)
    await session.ask('select 1/(4-g) as n from generate_series(1, 9) g').catch(() => {})
    const holed = (await session.ask('select 1 as n')) as unknown[]
    expect(holed).toHaveLength(4)
    await session.ask('select 1/(4-g) as n from generate_series(1, 9) g').catch(() => {})
    await session.ask('select', [], { simple: true })
    expect(await session.ask('select 1 as n')).toEqual([{ n: 1 }])
  })

  it('settles twice for COPY: with the stream, then with the result', async () => {
    await using session = await startSession(ground)
    await session.ask('create temp table copied (n int)')
    const settled: unknown[] = []
    const query = new Query(['copy copied from stdin'], [], session.send, null, { simple: true })
    const { resolve } = query
    query.resolve = (value) => {
      settled.push(value)
      resolve(value)
    }
    const stream = (await query.writable()) as unknown as NodeJS.WritableStream
    stream.end('1\n')
    await vi.waitFor(() => expect(settled).toHaveLength(2))
    expect(settled[0]).toBe(stream)
    expect(settled[1]).toMatchObject({ command: 'COPY', count: 1 })
  })

  it('calls `cursorFn` afresh for each batch, ends at CLOSE, and does not wait for the last', async () => {
    await using session = await startSession(ground)
    const query = session.query('select generate_series(1, 5) as n')
    const sizes: number[] = []
    query.cursor(2, (rows: unknown[]) => {
      sizes.push(rows.length)
      query.cursorFn = () => CLOSE
    })
    await query
    expect(sizes).toEqual([2])
    const last = session.query('select 1 as n')
    last.cursor(2, () => new Promise(() => {}))
    await last
  })

  it('reads `forEachFn` and `cursorFn` from the query when a row comes', async () => {
    await using session = await startSession(ground)
    const query = session.query('select generate_series(1, 2) as n')
    const rows: unknown[] = []
    query.forEachFn = (row) => rows.push(row)
    await query
    expect(rows).toEqual([{ n: 1 }, { n: 2 }])
  })

  it('caches the stack of a failed text for ever, which our subclass keeps it from', async () => {
    const query = new DriverQuery(['select x'], [], () => {}, null)
    expect(query.origin).toBe('')
    expect(query).toBeInstanceOf(Query)
    const tagged = new DriverQuery(Object.assign(['x'], { raw: ['x'] }), [], () => {}, null)
    expect(tagged.tagged).toBe(true)
    expect(tagged.origin).toContain('Error')
  })
})
