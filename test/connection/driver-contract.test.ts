import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import postgres from 'postgres'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import {
  Builder,
  CLOSE,
  DriverClient,
  Identifier,
  Parameter,
  PostgresError,
  Query,
  type QueryInternals,
  type QueryOptions,
  stockParsers,
  stockSerializers,
} from '../../src/connection/driver.ts'
import { DriverQuery } from '../../src/connection/driver-query.ts'
import { DriverSocket } from '../../src/connection/driver-socket.ts'
import { logIn } from '../../src/connection/login.ts'
import { driverProfile } from '../../src/connection/type-profile.ts'
import { type Ground, startGround } from './ground.ts'

/**
 * Each promise here is something undocumented in postgres.js 3.4.9 that src/connection/ stands on. One that
 * breaks with a new version says what must be looked at before that version is taken.
 */

let ground: Ground

beforeAll(async () => {
  ground = await startGround()
})
afterAll(() => ground[Symbol.asyncDispose]())
afterEach(() => {
  vi.unstubAllEnvs()
})

it('the version is exactly 3.4.9, installed and asked for', () => {
  const installed = readManifest(new URL('../package.json', import.meta.resolve('postgres')))
  const ours = readManifest(new URL('../../package.json', import.meta.url))
  expect([installed.version, ours.dependencies?.['postgres']]).toEqual(['3.4.9', '3.4.9'])
})

function readManifest(url: URL): { version: string; dependencies?: Record<string, string> } {
  return JSON.parse(readFileSync(url, 'utf8'))
}

describe('constructors taken from a template instance', () => {
  const sql = postgres({ host: 'nowhere.invalid' })
  const constructorOf = (value: unknown): unknown => (value as object).constructor

  it('are those of every other instance', () => {
    expect(constructorOf(sql`select 1`)).toBe(Query)
    expect(constructorOf(sql.unsafe('select 1'))).toBe(Query)
    expect(constructorOf(sql({ a: 1 }))).toBe(Builder)
    expect(constructorOf(sql('a'))).toBe(Identifier)
    expect(constructorOf(sql.json({}))).toBe(Parameter)
    expect(sql.CLOSE).toBe(CLOSE)
    expect(postgres.PostgresError).toBe(PostgresError)
  })

  it('take (strings, args, handler, canceller, options), and a query is lazy until it is asked for', async () => {
    const handler = vi.fn<(query: QueryInternals) => void>((query) => query.resolve('answer'))
    const query = new Query(['select 1'], [], handler, null, { simple: true })
    await new Promise((resolve) => setImmediate(resolve))
    expect(handler).not.toHaveBeenCalled()
    expect(await query).toBe('answer')
    expect(handler).toHaveBeenCalledExactlyOnceWith(query)
    expect(query.options.simple).toBe(true)
  })

  it('make queries that hold resolve and reject as own, writable fields', () => {
    const query = new Query(['select 1'], [], () => {}, null)
    for (const name of ['resolve', 'reject', 'strings', 'cursorFn', 'forEachFn', 'executed'] as const) {
      const field = Object.getOwnPropertyDescriptor(query, name)
      expect(field === undefined || field.writable).toBe(true)
    }
    expect(Object.hasOwn(query, 'resolve') && Object.hasOwn(query, 'reject')).toBe(true)
  })

  it('mark a query as executed when it has been sent, and do not send it again', async () => {
    const handler = vi.fn<() => void>()
    const query = new Query(['select 1'], [], handler, null)
    query.executed = true
    void query.then(() => {})
    await new Promise((resolve) => setImmediate(resolve))
    expect(handler).not.toHaveBeenCalled()
  })

  it('make parameters of (value, type, arrayOf)', () => {
    expect(new Parameter('x', 25)).toMatchObject({ value: 'x', type: 25 })
    expect(new Identifier('a"b').value).toBe('"a""b"')
  })
})

describe('options', () => {
  it('that are named are not taken from the environment', async () => {
    const environment = {
      PGMAX: '7',
      PGSSL: 'require',
      PGPREPARE: '',
      PGMAX_PIPELINE: '5',
      PGFETCH_TYPES: 'true',
      PGIDLE_TIMEOUT: '1',
      PGHOST: 'elsewhere',
      PGPORT: '1',
      PGUSER: 'someone',
      PGPASSWORD: 'secret',
      PGTARGETSESSIONATTRS: 'nonsense',
      PGBACKOFF: '9',
      PGDEBUG: '1',
      PGCONNECT_TIMEOUT: '1',
      PGKEEP_ALIVE: '1',
      PGMAX_LIFETIME: '1',
      PGAPPNAME: 'other',
    }
    for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value)
    expect(await optionsOfClient()).toMatchObject({
      max: 1,
      max_pipeline: 0,
      ssl: false,
      prepare: true,
      fetch_types: false,
      idle_timeout: 0,
      max_lifetime: 0,
      connect_timeout: 0,
      keep_alive: 0,
      backoff: false,
      debug: false,
      target_session_attrs: null,
      sslnegotiation: 'postgres',
      user: 'u',
      database: 'd',
      connection: { statement_timeout: '0' },
    })
  })

  it('that hold `shared` are taken as they are, so that parsers may be a view', async () => {
    await using session = await startSession()
    session.client.profile = { ...driverProfile, parsers: { 23: (text) => `int ${text}` } }
    expect(await session.ask('select 1 as n')).toEqual([{ n: 'int 1' }])
    session.client.profile = driverProfile
    expect(await session.ask('select 1 as n ')).toEqual([{ n: 1 }])
  })

  it('ask serializers by `in`, then by OID', async () => {
    await using session = await startSession()
    session.client.profile = { ...driverProfile, serializers: { 25: () => 'written' } }
    expect(await session.ask('select $1::text as t', ['x'])).toEqual([{ t: 'written' }])
  })

  it('keep parsers and serializers of single types, by OID, as functions', () => {
    expect(stockParsers[16]?.('t')).toBe(true)
    expect(stockParsers[114]?.('{"a":1}')).toEqual({ a: 1 })
    expect(stockSerializers[1184]?.(new Date(0) as never)).toBe('1970-01-01T00:00:00.000Z')
    expect(stockParsers[20]).toBeUndefined()
  })
})

describe('the socket', () => {
  it('is asked for once, and only these of its members are touched, in every way a session goes', async () => {
    const touched = new Set<PropertyKey>()
    await using session = await startSession(touched)
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
    const port = new DriverSocket(() => {})
    new DriverClient(
      { user: 'someone', database: 'somewhere', password: () => '', settings: { statement_timeout: '0' } },
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

  it('is told to go when the server proves nothing, and the waiting `reserve` hears why', async () => {
    const destroyed = vi.fn<() => void>()
    const failed = vi.fn<(error: unknown) => void>()
    const port = new DriverSocket(destroyed)
    new DriverClient({ user: 'u', database: 'd', password: () => 'p', settings: {} }, port, failed)
    const written: Buffer[] = []
    port.attach({ write: (chunk: Buffer) => written.push(chunk) } as never)
    await vi.waitFor(() => expect(written).toHaveLength(1))
    port.deliver(Buffer.from('R\0\0\0\u0017\0\0\0\u000aSCRAM-SHA-256\0\0', 'latin1'))
    await vi.waitFor(() => expect(written).toHaveLength(2))
    port.deliver(authentication(11, 'r=x,s=AAAA,i=1'))
    await vi.waitFor(() => expect(written).toHaveLength(3))
    port.deliver(authentication(12, 'v=AAAA'))
    await vi.waitFor(() => expect(failed).toHaveBeenCalledOnce())
    expect(failed.mock.calls[0]?.[0]).toMatchObject({ code: 'SASL_SIGNATURE_MISMATCH' })
    expect(destroyed).toHaveBeenCalledOnce()
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
    await using session = await startSession()
    for (const text of ['select 1 as n', 'select 1 as n', 'select 1 as n ']) await session.ask(text)
    const rows = await session.ask('select statement from pg_prepared_statements order by 1', [], {
      prepare: false,
    })
    expect(rows).toEqual([{ statement: 'select 1 as n' }, { statement: 'select 1 as n ' }])
  })

  it('says on the query whether it was prepared, and whether that was known', async () => {
    await using session = await startSession()
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
    await using session = await startSession()
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
    await using session = await startSession()
    const error = await session.ask('select $1::text, 1/0', ['canary']).catch((e: unknown) => e)
    expect(Object.getOwnPropertyNames(error)).toEqual(
      expect.arrayContaining(['query', 'parameters', 'args', 'types']),
    )
    expect(Object.getOwnPropertyDescriptor(error, 'parameters')?.configurable).toBe(false)
  })

  it('still has the row counter bug that the reset statement is for: if this fails, drop the reset', async () => {
    await using session = await startSession()
    await session.ask('select 1/(4-g) as n from generate_series(1, 9) g').catch(() => {})
    const holed = (await session.ask('select 1 as n')) as unknown[]
    expect(holed).toHaveLength(4)
    await session.ask('select 1/(4-g) as n from generate_series(1, 9) g').catch(() => {})
    await session.ask('select', [], { simple: true })
    expect(await session.ask('select 1 as n')).toEqual([{ n: 1 }])
  })

  it('settles twice for COPY: with the stream, then with the result', async () => {
    await using session = await startSession()
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
    await using session = await startSession()
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
    await using session = await startSession()
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

function authentication(kind: number, text: string): Buffer {
  const message = Buffer.alloc(9 + text.length)
  message.write('R')
  message.writeUInt32BE(message.length - 1, 1)
  message.writeUInt32BE(kind, 5)
  message.write(text, 9)
  return message
}

/** What a client's instance was made with, by a driver module that is loaded anew. */
async function optionsOfClient(): Promise<unknown> {
  const seen: unknown[] = []
  vi.resetModules()
  vi.doMock('postgres', async (importOriginal) => {
    const { default: original } = await importOriginal<{ default: typeof postgres }>()
    const watched = (...args: Parameters<typeof postgres>) => {
      const sql = original(...args)
      seen.push(sql.options)
      return sql
    }
    return { default: Object.assign(watched, original) }
  })
  const driver = await import('../../src/connection/driver.ts')
  new driver.DriverClient(
    { user: 'u', database: 'd', password: () => '', settings: { statement_timeout: '0' } },
    new DriverSocket(() => {}),
    () => {},
  )
  vi.doUnmock('postgres')
  expect(seen).toHaveLength(2)
  return seen[1]
}

interface Session extends AsyncDisposable {
  readonly client: DriverClient
  readonly send: (query: QueryInternals) => void
  query(text: string, args?: unknown[], options?: QueryOptions): QueryInternals
  ask(text: string, args?: unknown[], options?: QueryOptions): Promise<unknown>
}

/** The driver on a real server with nothing of ours around it; notes what it touches of its socket. */
async function startSession(touched = new Set<PropertyKey>()): Promise<Session> {
  const { host, port, user, database, password } = ground.target
  const watched = new Proxy(new DriverSocket(() => {}), {
    get(target, member) {
      touched.add(member)
      const value: unknown = Reflect.get(target, member, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const socket = connect({ host, port, noDelay: true })
  const client = new DriverClient(
    { user, database, password: () => password?.reveal() ?? '', settings: {} },
    watched,
    () => socket.destroy(),
  )
  client.profile = driverProfile
  const driverSide = client.socket
  socket.once('connect', () => driverSide.attach(socket))
  socket.on('data', (chunk) => driverSide.deliver(chunk))
  await new Promise<void>((resolve) => {
    const onData = (chunk: Buffer) => {
      if (chunk.subarray(-6).toString('latin1') !== 'Z\0\0\0\u0005I') return
      socket.off('data', onData)
      resolve()
    }
    socket.on('data', onData)
  })
  client.opened()
  const send = (query: QueryInternals) => client.submit(query)
  const query = (text: string, args: unknown[] = [], options: QueryOptions = {}) =>
    new Query([text], args, send, null, { ...options })
  return {
    client,
    send,
    query,
    ask: async (text, args, options) => query(text, args, options),
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => socket.once('close', resolve))
      socket.destroy()
      await closed
    },
  }
}
