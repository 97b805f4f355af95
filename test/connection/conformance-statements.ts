import { describe, expect, it } from 'vitest'
import type { Statement } from '../../src/connection/connection.ts'
import { typeProfile } from '../../src/connection/type-profile.ts'
import {
  InternalError,
  InvalidRequestError,
  SqlError,
  StatementTimeoutError,
  UnsupportedError,
} from '../../src/errors.ts'
import { failureOf, type PortUnderTest } from './port-under-test.ts'

export function describeStatements(port: PortUnderTest): void {
  describe('answers', () => {
    it('rows, fields, command and row count', async () => {
      const result = await port.run('select $1::int as a, $2::text as b, null as c', [7, 'x'])
      expect(result.rows).toEqual([{ a: 7, b: 'x', c: null }])
      expect(result.fields.map(({ name, type }) => [name, type])).toEqual([
        ['a', 23],
        ['b', 25],
        ['c', 25],
      ])
      expect([result.command, result.rowCount]).toEqual(['SELECT', 1])
    })

    it('where a column comes from', async () => {
      await port.run('create table origins (id int, name text)')
      const { fields } = await port.run('select name from origins')
      expect(fields).toEqual([{ name: 'name', type: 25, tableOid: expect.any(Number), columnNumber: 2 }])
      expect(fields[0]?.tableOid).toBeGreaterThan(16_383)
    })

    it('rows as arrays where it is asked to', async () => {
      const { rows } = await port.shared.run({ text: 'select 1 as a, 2 as a', rowMode: 'array' })
      expect(rows).toEqual([[1, 2]])
      const asObjects = await port.shared.run({ text: 'select 1 as a, 2 as a' })
      expect(asObjects.rows).toEqual([{ a: 2 }])
    })

    it.each([
      ['int4', '1', 1],
      ['int8', '9007199254740993', '9007199254740993'],
      ['numeric', '1.10', '1.10'],
      ['bool', 'true', true],
      ['text', "'x'", 'x'],
      ['jsonb', `'{"a": [1]}'`, { a: [1] }],
      ['bytea', "'\\x00ff'", Buffer.from([0, 255])],
      ['timestamptz', "'2026-01-02T03:04:05Z'", new Date('2026-01-02T03:04:05Z')],
      [
        'int4[]',
        "'{{1,NULL},{3,4}}'",
        [
          [1, null],
          [3, 4],
        ],
      ],
      ['text[]', `'{"a,b","\\"q\\"",NULL,"null"}'`, ['a,b', '"q"', null, 'null']],
    ])('%s values as what they are', async (type, literal, value) => {
      expect((await port.run(`select ${literal}::${type} as v`)).rows).toEqual([{ v: value }])
    })

    it('commands without their counts', async () => {
      await port.run('create table tags (a int)')
      const inserted = await port.run('insert into tags select generate_series(1, 3)')
      expect([inserted.command, inserted.rowCount]).toEqual(['INSERT', 3])
      const dropped = await port.run('drop table tags')
      expect([dropped.command, dropped.rowCount]).toEqual(['DROP TABLE', null])
      const empty = await port.run('')
      expect([empty.command, empty.rowCount, empty.rows]).toEqual(['', null, []])
    })
  })

  describe('takes parameters', () => {
    it.each([
      ['int4', 7, 7],
      ['text', 'a\'b"c\\d', 'a\'b"c\\d'],
      ['bool', false, false],
      ['int8', 9007199254740993n, '9007199254740993'],
      ['jsonb', { a: [1, 'x'] }, { a: [1, 'x'] }],
      ['bytea', Buffer.from([1, 0, 2]), Buffer.from([1, 0, 2])],
      ['timestamptz', new Date('2026-01-02T03:04:05Z'), new Date('2026-01-02T03:04:05Z')],
      ['int4[]', [1, null, 3], [1, null, 3]],
      ['text[]', ['x', 'a "b" \\'], ['x', 'a "b" \\']],
      ['text', null, null],
    ])('%s by the type that the server says', async (type, param, value) => {
      for (let round = 0; round < 2; round++)
        expect((await port.run(`select $1::${type} as v`, [param])).rows).toEqual([{ v: value }])
    })

    it('and refuses what cannot be sent, and goes on', async () => {
      const refused: Statement[] = [
        { text: 'select 1\0' },
        { text: 'select $1::int', params: [undefined] },
        { text: 'select $1::int[]', params: [[1, undefined]] },
        { text: 'select 1', params: [1], multiple: true },
        { text: 'select 1', params: Array.from({ length: 70_000 }, () => 1) },
      ]
      for (const statement of refused) {
        expect(await failureOf(port.shared.run(statement))).toBeInstanceOf(InvalidRequestError)
        expect((await port.run('select 1 as a')).rows).toEqual([{ a: 1 }])
      }
    })
  })

  it('runs one statement unless several are asked for, and answers with the last', async () => {
    expect(await failureOf(port.run('select 1; select 2'))).toMatchObject({ sqlstate: '42601' })
    const last = await port.shared.run({ text: 'select 1 as a; select 2 as b', multiple: true })
    expect([last.rows, last.fields.map(({ name }) => name)]).toEqual([[{ b: 2 }], ['b']])
  })

  it('reads and writes values by the profile of each statement', async () => {
    const texts = typeProfile({
      parsers: { 23: (text) => `<${text}>` },
      serializers: { 23: (value: unknown) => String(Number(value) + 1) },
      blanks: 1,
    })
    const statement = { text: 'select $1::int4 as n, array[5] as list, true as flag', params: [7] }
    for (let round = 0; round < 2; round++) {
      const { rows } = await port.shared.run({ ...statement, profile: texts })
      expect(rows).toEqual([{ n: '<8>', list: ['<5>'], flag: 't' }])
      expect((await port.shared.run(statement)).rows).toEqual([{ n: 7, list: [5], flag: true }])
    }
  })

  it('names a statement once for as often as it runs, and none where it is asked not to', async () => {
    const own = await port.open()
    for (let round = 0; round < 3; round++) {
      await own.run({ text: 'select $1::int', params: [1] })
      await own.run({ text: 'select 2' })
      await own.run({ text: 'select 3', prepare: false })
      await own.run({ text: 'select 4; select 5', multiple: true })
    }
    const count = 'select count(*)::int as n from pg_prepared_statements'
    expect((await own.run({ text: count, prepare: false })).rows).toEqual([{ n: 2 }])
    expect(own.preparedStatements).toBe(2)
  })

  it('knows what the server says of its settings', async () => {
    const own = await port.open({ settings: { application_name: 'first' } })
    expect(own.parameters).toMatchObject({ application_name: 'first', TimeZone: 'UTC' })
    await own.run({ text: "set application_name = 'second'" })
    expect(own.parameters['application_name']).toBe('second')
  })

  describe('a statement that fails', () => {
    it('says what Postgres says of it, and carries its parameters nowhere', async () => {
      await port.run('create table unique_names (name text primary key)')
      await port.run("insert into unique_names values ('x')")
      const error = await failureOf(port.run('insert into unique_names values ($1)', ['x']))
      expect(error).toBeInstanceOf(SqlError)
      expect(error).toMatchObject({
        sqlstate: '23505',
        fields: { constraint: 'unique_names_pkey', table: 'unique_names', severity: 'ERROR' },
      })
      const hidden = await failureOf(port.run("select $1::text, 1/length('')", ['canary-5f1c']))
      expect(hidden).toMatchObject({ sqlstate: '22012' })
      expect(JSON.stringify(Object.getOwnPropertyDescriptors(hidden))).not.toContain('canary-5f1c')
    })

    it('leaves no rows to the next, and a residue', async () => {
      for (const prepare of [true, false]) {
        const text = 'select 1/(4-g) as n from generate_series(1,9) g'
        expect(await failureOf(port.shared.run({ text, prepare }))).toMatchObject({ sqlstate: '22012' })
        const next = await port.shared.run({ text: 'select generate_series(1,2) as n', prepare })
        expect(next.rows).toEqual([{ n: 1 }, { n: 2 }])
      }
      expect(port.shared.residue).toBe('session')
      await port.shared.clean('application')
      expect(port.shared.residue).toBe('none')
    })

    it('is a timeout where the server ended it at its time limit', async () => {
      const own = await port.open({ settings: { statement_timeout: '20' } })
      expect(await failureOf(own.run({ text: 'select pg_sleep(5)' }))).toBeInstanceOf(StatementTimeoutError)
      expect((await own.run({ text: 'select 1 as a' })).rows).toEqual([{ a: 1 }])
    })

    it('and is a COPY is refused, and ends the connection', async () => {
      for (const text of ['copy pg_class to stdout', 'create temp table c (n int); copy c from stdin']) {
        const own = await port.open()
        const error = await failureOf(own.run({ text, multiple: true }))
        expect(error).toBeInstanceOf(UnsupportedError)
        await own.closed
      }
    })
  })

  it('has one statement at a time', async () => {
    const first = port.run('select pg_sleep(0.05), 1 as a')
    expect(port.shared.isBusy).toBe(true)
    expect(await failureOf(port.run('select 2'))).toBeInstanceOf(InternalError)
    expect(await failureOf(port.shared.close())).toBeInstanceOf(InternalError)
    expect((await first).rows).toHaveLength(1)
    expect([port.shared.isBusy, port.shared.isOpen]).toEqual([false, true])
  })

  it('follows the transaction', async () => {
    await port.run('begin')
    expect(port.shared.transaction).toBe('open')
    await port.run('savepoint s')
    expect(await failureOf(port.run('select 1/0'))).toBeInstanceOf(SqlError)
    expect(port.shared.transaction).toBe('failed')
    expect(await failureOf(port.run('select 1'))).toMatchObject({ sqlstate: '25P02' })
    await port.run('rollback to savepoint s')
    expect(port.shared.transaction).toBe('open')
    await port.run('commit')
    expect(port.shared.transaction).toBe('idle')
  })
}
