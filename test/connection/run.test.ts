import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { DriverConnection } from '../../src/connection/driver-connection.ts'
import { driverProfile, typeProfile } from '../../src/connection/type-profile.ts'
import { InternalError, InvalidRequestError, SqlError, StatementTimeoutError } from '../../src/errors.ts'
import { type Ground, startGround } from './ground.ts'

let ground: Ground
let connection: DriverConnection

beforeAll(async () => {
  ground = await startGround()
  connection = await ground.open()
})

afterAll(() => ground[Symbol.asyncDispose]())

describe('a statement', () => {
  it('answers rows, fields, command and row count', async () => {
    const result = await connection.run({ text: 'select $1::int as a, $2::text as b', params: [7, 'x'] })
    expect(result.rows).toEqual([{ a: 7, b: 'x' }])
    expect(result.fields.map(({ name, type }) => [name, type])).toEqual([
      ['a', 23],
      ['b', 25],
    ])
    expect([result.command, result.rowCount]).toEqual(['SELECT', 1])
  })

  it('answers arrays as arrays and takes them as parameters, without asking the server for types', async () => {
    const result = await connection.run({
      text: `select $1::int[] as numbers, $2::text[] as texts, array[[1,null],[3,4]] as nested,
             array['a,b','"q"','\\', null, 'null'] as odd, array[true,false] as flags, '{}'::int8[] as none`,
      params: [
        [1, 2],
        ['x', 'a "b" \\'],
      ],
    })
    expect(result.rows[0]).toEqual({
      numbers: [1, 2],
      texts: ['x', 'a "b" \\'],
      nested: [
        [1, null],
        [3, 4],
      ],
      odd: ['a,b', '"q"', '\\', null, 'null'],
      flags: [true, false],
      none: [],
    })
  })

  it('answers rows as arrays where it is asked to, so that equal names do not hide each other', async () => {
    const { rows } = await connection.run({ text: 'select 1 as a, 2 as a', rowMode: 'array' })
    expect(rows).toEqual([[1, 2]])
  })

  it('names its command without counts', async () => {
    await connection.run({ text: 'create table tags (a int)' })
    const inserted = await connection.run({ text: 'insert into tags select generate_series(1, 3)' })
    const dropped = await connection.run({ text: 'drop table tags' })
    const empty = await connection.run({ text: '' })
    expect([inserted.command, inserted.rowCount]).toEqual(['INSERT', 3])
    expect([dropped.command, dropped.rowCount]).toEqual(['DROP TABLE', null])
    expect([empty.command, empty.rowCount, empty.rows.length]).toEqual(['', null, 0])
  })

  it('is one statement unless several are asked for', async () => {
    await expect(connection.run({ text: 'select 1; select 2' })).rejects.toMatchObject({ sqlstate: '42601' })
    const { rows, command } = await connection.run({ text: 'select 1 as a; select 2 as b', multiple: true })
    expect([rows, command]).toEqual([[{ b: 2 }], 'SELECT'])
  })

  it('refuses a second one while busy', async () => {
    const first = connection.run({ text: 'select pg_sleep(0.05), 1 as a' })
    await expect(connection.run({ text: 'select 2' })).rejects.toBeInstanceOf(InternalError)
    expect((await first).rows).toHaveLength(1)
    expect(connection.isBusy).toBe(false)
  })

  it('refuses what cannot be sent, and goes on', async () => {
    const refused = [
      { text: 'select 1\0' },
      { text: 'select $1', params: [undefined] },
      { text: 'select $1::int[]', params: [[1, undefined]] },
      { text: 'select 1', params: [1], multiple: true },
      { text: 'select 1', params: Array.from({ length: 70_000 }, () => 1) },
    ]
    for (const statement of refused) {
      await expect(connection.run(statement)).rejects.toBeInstanceOf(InvalidRequestError)
      expect((await connection.run({ text: 'select 1 as a' })).rows).toEqual([{ a: 1 }])
    }
  })
})

describe('a failed statement', () => {
  it('says what Postgres says of it, and nothing of the server', async () => {
    await connection.run({ text: 'create table unique_names (name text primary key)' })
    await connection.run({ text: "insert into unique_names values ('x')" })
    const error = await connection
      .run({ text: 'insert into unique_names values ($1)', params: ['x'] })
      .catch((e: unknown) => e)
    expect(error).toBeInstanceOf(SqlError)
    expect(error).toMatchObject({
      sqlstate: '23505',
      fields: { constraint: 'unique_names_pkey', table: 'unique_names', severity: 'ERROR' },
    })
    expect(Object.keys((error as SqlError).fields)).not.toEqual(
      expect.arrayContaining([expect.stringMatching(/^(file|line|routine|query|parameters|args)$/)]),
    )
  })

  it('carries its parameters nowhere', async () => {
    const canary = 'canary-5f1c'
    const error = await connection
      .run({ text: 'select $1::text, 1/0', params: [canary] })
      .catch((e: unknown) => e)
    const seen = JSON.stringify(Object.getOwnPropertyDescriptors(error)) + String((error as Error).stack)
    expect(seen).toContain('22012')
    expect(seen).not.toContain(canary)
    expect((error as Error).cause).toBeUndefined()
  })

  it('is a timeout where the server ended it at its time limit', async () => {
    const limited = await ground.open({ settings: { statement_timeout: '20' } })
    await expect(limited.run({ text: 'select pg_sleep(5)' })).rejects.toBeInstanceOf(StatementTimeoutError)
    expect((await limited.run({ text: 'select 1 as a' })).rows).toEqual([{ a: 1 }])
  })

  it('of an operator who cancelled it is no timeout', async () => {
    const { pid } = connection
    const running = connection.run({ text: 'select pg_sleep(5)' })
    const asked = ground.server.query('select pg_cancel_backend($1) from pg_sleep(0.05)', [pid])
    await expect(running).rejects.toMatchObject({ sqlstate: '57014' })
    await asked
  })

  it.each([
    ['division by zero at row 4', 'select 1/(4-g) as n from generate_series(1,9) g'],
    [
      'a raised error behind rows',
      'select case when g < 100 then g else 1/(g-g) end from generate_series(1,200) g',
    ],
  ])('leaves no rows to the next: %s', async (_, text) => {
    for (const prepare of [true, false]) {
      await expect(connection.run({ text, prepare })).rejects.toMatchObject({ sqlstate: '22012' })
      const { rows } = await connection.run({ text: 'select generate_series(1,2) as n', prepare })
      expect(rows).toEqual([{ n: 1 }, { n: 2 }])
    }
  })

  it('leaves no rows to the next in a transaction that is rolled back, and to a savepoint', async () => {
    await connection.run({ text: 'begin' })
    await connection.run({ text: 'savepoint s' })
    await expect(
      connection.run({ text: 'select 1/(4-g) from generate_series(1,9) g' }),
    ).rejects.toBeInstanceOf(SqlError)
    expect(connection.transaction).toBe('failed')
    await expect(connection.run({ text: 'select 1' })).rejects.toMatchObject({ sqlstate: '25P02' })
    await connection.run({ text: 'rollback to savepoint s' })
    expect(connection.transaction).toBe('open')
    expect((await connection.run({ text: 'select generate_series(1,2) as n' })).rows).toHaveLength(2)
    await connection.run({ text: 'rollback' })
    expect(connection.transaction).toBe('idle')
  })
})

describe('a profile', () => {
  const texts = typeProfile({ parsers: {}, serializers: {}, blanks: 1 })

  it('reads values its own way, and a named statement keeps the profile it was described with', async () => {
    const text = 'select 1 as n, now() as t, array[1] as xs'
    for (let round = 0; round < 3; round++) {
      const plain = await connection.run({ text, profile: texts })
      const typed = await connection.run({ text, profile: driverProfile })
      expect(plain.rows[0]).toEqual({ n: '1', t: expect.any(String), xs: ['1'] })
      expect(typed.rows[0]).toEqual({ n: 1, t: expect.any(Date), xs: [1] })
    }
  })

  it('counts each named statement once', async () => {
    const fresh = await ground.open()
    for (let round = 0; round < 3; round++) {
      await fresh.run({ text: 'select $1::int', params: [1] })
      await fresh.run({ text: 'select 2' })
      await fresh.run({ text: 'select 3', prepare: false })
    }
    const { rows } = await fresh.run({
      text: 'select count(*)::int as n from pg_prepared_statements',
      prepare: false,
    })
    expect(rows).toEqual([{ n: 2 }])
    expect(fresh.preparedStatements).toBe(2)
  })

  it('sends arrays of types that only the database knows as array literals', async () => {
    await connection.run({ text: "create type mood as enum ('sad', 'ok, fine')" })
    const { rows } = await connection.run({
      text: 'select ($1::mood[])[2]::text as m',
      params: [['sad', 'ok, fine']],
    })
    expect(rows).toEqual([{ m: 'ok, fine' }])
  })
})

it('has the session settings that its types rest on, whatever the role altered for itself', async () => {
  await ground.server.execute(
    `alter role "${ground.target.user}" set datestyle = 'German'; alter role "${ground.target.user}" set bytea_output = 'escape'`,
  )
  const fresh = await ground.open()
  const { rows } = await fresh.run({
    text: `select name, setting from pg_settings where name in ('DateStyle', 'bytea_output', 'TimeZone',
      'application_name', 'client_encoding', 'IntervalStyle') order by name`,
    rowMode: 'array',
  })
  expect(Object.fromEntries(rows as [string, string][])).toEqual({
    application_name: 'tenantry',
    bytea_output: 'hex',
    client_encoding: 'UTF8',
    DateStyle: 'ISO, MDY',
    IntervalStyle: 'postgres',
    TimeZone: 'UTC',
  })
})

it('takes session settings, zero included, and refuses those that would change who logs in', async () => {
  const fresh = await ground.open({ settings: { statement_timeout: '0', timezone: 'Asia/Tokyo' } })
  const { rows } = await fresh.run({ text: "select current_setting('TimeZone') as zone" })
  expect(rows).toEqual([{ zone: 'Asia/Tokyo' }])
  for (const settings of [
    { User: 'postgres' },
    { datestyle: 'German' },
    { search_path: 'a\0user\0postgres' },
  ])
    await expect(ground.open({ settings })).rejects.toBeInstanceOf(InvalidRequestError)
})
