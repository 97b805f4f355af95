import { readFileSync } from 'node:fs'
import postgres from 'postgres'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import {
  Builder,
  CLOSE,
  Identifier,
  Parameter,
  PostgresError,
  Query,
  type QueryInternals,
  stockParsers,
  stockSerializers,
} from '../../src/connection/driver.ts'
import { DriverSocket } from '../../src/connection/driver-socket.ts'
import { driverProfile } from '../../src/connection/type-profile.ts'
import { startSession } from './driver-session.ts'
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
    await using session = await startSession(ground)
    session.client.profile = { ...driverProfile, parsers: { 23: (text) => `int ${text}` } }
    expect(await session.ask('select 1 as n')).toEqual([{ n: 'int 1' }])
    session.client.profile = driverProfile
    expect(await session.ask('select 1 as n ')).toEqual([{ n: 1 }])
  })

  it('ask serializers by `in`, then by OID', async () => {
    await using session = await startSession(ground)
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
    { user: 'u', database: 'd', settings: { statement_timeout: '0' } },
    new DriverSocket(),
    () => {},
  )
  vi.doUnmock('postgres')
  vi.resetModules() // later files are to have one of their own
  expect(seen).toHaveLength(2)
  return seen[1]
}
