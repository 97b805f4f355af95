import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { DriverConnection } from '../../src/connection/driver-connection.ts'
import { ConnectionLostError } from '../../src/errors.ts'
import { Secret } from '../../src/secret.ts'
import { type Ground, startGround, tagOn, unsafeOn } from './ground.ts'

let ground: Ground
let connection: DriverConnection

beforeAll(async () => {
  ground = await startGround()
  connection = await ground.open()
  await ground.server.execute(
    `create role "${ground.target.user}_other"; grant "${ground.target.user}_other" to "${ground.target.user}"`,
  )
})

afterAll(async () => {
  await ground.server.execute(`drop role "${ground.target.user}_other"`)
  await ground[Symbol.asyncDispose]()
})

/** Everything of a session that one user could leave to the next, as the server sees it. */
const SESSION = `select current_user as role, current_setting('search_path') as path,
  current_setting('TimeZone') as zone, current_setting('statement_timeout') as timeout,
  (select count(*)::int from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()) as locks,
  (select count(*)::int from pg_listening_channels()) as channels,
  (select count(*)::int from pg_cursors where name <> '') as cursors,
  (select count(*)::int from pg_class where relnamespace = pg_my_temp_schema() and relkind = 'r') as temporary`

const session = async (on: DriverConnection): Promise<unknown> =>
  (await on.run({ text: SESSION, prepare: false })).rows[0]

const other = () => `"${ground.target.user}_other"`

const DIRT: readonly [string, () => string][] = [
  ['SET', () => "set search_path = evil; set timezone = 'Asia/Tokyo'; set statement_timeout = 77"],
  ['SET in a failed text', () => 'set search_path = evil; begin; select 1/0'],
  ['SET ROLE', () => `set role ${other()}`],
  [
    'SET SESSION AUTHORIZATION',
    () => `set session authorization "${ground.target.user}"; set role ${other()}`,
  ],
  ['a temporary table', () => 'create temp table mine (n int)'],
  ['a lock', () => 'do $$ begin perform pg_advisory_lock(7); end $$'],
  ['LISTEN', () => 'listen here'],
  ['a cursor', () => 'declare mine cursor with hold for select 1'],
  ['an open transaction', () => 'begin; create temp table mine (n int); set local search_path = evil'],
  ['a failed transaction', () => 'begin; select 1/0'],
]

describe.each(['application', 'foreign'] as const)('clean() after %s SQL', (trust) => {
  it.each(DIRT)('leaves nothing of %s', async (_, text) => {
    const own = trust === 'foreign' ? await ground.open() : connection
    const before = await session(own)
    await own.run({ text: text(), multiple: true }).catch(() => {})
    expect({ transaction: own.transaction, residue: own.residue }).not.toEqual({
      transaction: 'idle',
      residue: 'none',
    })
    await own.clean(trust)
    expect([own.transaction, own.residue, own.isOpen]).toEqual(['idle', 'none', true])
    expect(await session(own)).toEqual(before)
  })
})

describe('clean() after application SQL', () => {
  it('asks the server nothing where only ordinary statements ran', async () => {
    await connection.run({ text: 'create table if not exists plain (n int)' })
    await connection.clean('application')
    await connection.run({ text: 'begin' })
    for (const text of [
      'insert into plain values (1)',
      'update plain set n = 2',
      'select * from plain',
      'delete from plain',
      'explain select 1',
      'show timezone',
      'savepoint s',
      'rollback to s',
      'release s',
      'commit',
    ])
      await connection.run({ text })
    expect(connection.residue).toBe('none')
    const before = await statementsSeen()
    await connection.clean('application')
    expect(await statementsSeen()).toBe(before)
  })

  /** The last statement of the session, as others see it. */
  async function statementsSeen(): Promise<unknown> {
    const rows = await ground.server.query('select query from pg_stat_activity where pid = $1', [
      connection.pid,
    ])
    return rows[0]?.['query']
  }

  it('keeps the named statements of the driver', async () => {
    await connection.run({ text: 'select 41 as n' })
    await connection.run({ text: 'set search_path = evil' })
    await connection.clean('application')
    const { rows } = await connection.run({
      text: "select count(*)::int as n from pg_prepared_statements where statement = 'select 41 as n'",
      prepare: false,
    })
    expect(rows).toEqual([{ n: 1 }])
  })

  it.each(['prepare p as select 1', 'deallocate all', 'discard plans', "load 'auto_explain'"])(
    'closes the connection after: %s',
    async (text) => {
      const { user, password } = ground.server.superuser
      const own = await ground.open({ user, password: new Secret(password) })
      await own.run({ text })
      expect(own.residue).toBe('unusable')
      await expect(own.clean('application')).rejects.toBeInstanceOf(ConnectionLostError)
    },
  )

  it('resets after a rejected statement, and after a query object of a user', async () => {
    await expect(connection.run({ text: 'select 1/0' })).rejects.toMatchObject({ sqlstate: '22012' })
    expect(connection.residue).toBe('session')
    await connection.clean('application')
    await unsafeOn(connection)('set search_path = evil; select 1')
    expect(connection.residue).toBe('session')
    await connection.clean('application')
    expect(await tagOn(connection)`show search_path`).toEqual([{ search_path: '"$user", public' }])
  })
})

describe('clean() after foreign SQL', () => {
  it('discards everything each time, planted statements included', async () => {
    const own = await ground.open()
    await own.run({ text: 'select 1', prepare: false })
    expect(own.residue).toBe('none')
    await own.run({ text: 'prepare is_admin as select true as is_admin', prepare: false })
    await own.clean('foreign')
    const { rows } = await own.run({
      text: 'select count(*)::int as n from pg_prepared_statements',
      prepare: false,
    })
    expect(rows).toEqual([{ n: 0 }])
  })

  it('refuses a connection that ran named statements', async () => {
    const own = await ground.open()
    await own.run({ text: 'select 1' })
    await expect(own.clean('foreign')).rejects.toBeInstanceOf(ConnectionLostError)
  })

  it('refuses a connection that loaded a library, which stays', async () => {
    const { user, password } = ground.server.superuser
    const own = await ground.open({ user, password: new Secret(password) })
    await own.run({ text: "load 'auto_explain'", prepare: false })
    await expect(own.clean('foreign')).rejects.toBeInstanceOf(ConnectionLostError)
  })

  it('ends in bounded time, though a command of it waits for a lock that someone else holds', async () => {
    const own = await ground.open()
    await own.run({ text: 'create temp table mine (n int)', prepare: false })
    const schema = (
      await own.run({ text: 'select pg_my_temp_schema()::regnamespace::text as name', prepare: false })
    ).rows[0] as { name: string }
    const { user, password } = ground.server.superuser
    const holder = await ground.open({ user, password: new Secret(password) })
    await holder.run({ text: `begin; lock table ${schema.name}.mine in access share mode`, multiple: true })
    const start = performance.now()
    await expect(own.clean('foreign')).rejects.toMatchObject({ code: expect.any(String) })
    expect(performance.now() - start).toBeLessThan(7_000)
    expect(own.isOpen).toBe(false)
  })
})

it('application statements answer the same whatever foreign ones re-prepare, each on connections of their own', async () => {
  const application = await ground.open()
  const foreign = await ground.open()
  const ask = async () => (await application.run({ text: 'select false as is_admin' })).rows
  expect(await ask()).toEqual([{ is_admin: false }])
  for (let round = 0; round < 10; round++) {
    const { rows } = await foreign.run({ text: 'select name from pg_prepared_statements', prepare: false })
    expect(rows).toEqual([])
    await foreign.run({ text: 'deallocate all', prepare: false })
    await foreign.run({ text: 'prepare p1 as select true as is_admin', prepare: false })
    await foreign.clean('foreign')
    expect(await ask()).toEqual([{ is_admin: false }])
  }
})
