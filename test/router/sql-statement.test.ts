import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Ground } from './sql-ground.ts'

let ground: Ground
beforeAll(async () => {
  ground = await Ground.open(
    2,
    'create table projects (id int primary key, name text, data jsonb, tags text[])',
  )
})
afterAll(async () => await ground[Symbol.asyncDispose]())

describe('a statement of a handle', () => {
  it('is sent when it is awaited, not before', async () => {
    const sql = ground.sql()
    const statement = sql`insert into projects (id) values (1)`
    expect(await sql`select id from projects`).toHaveLength(0)
    await statement
    expect(await sql`delete from projects returning id`).toEqual([{ id: 1 }])
  })

  it('takes parameters as values, never as text', async () => {
    const sql = ground.sql()
    const name = `'; drop table projects; --`
    expect(await sql`select ${name}::text as name, ${null}::text as none`).toEqual([{ name, none: null }])
  })

  it('puts fragments and identifiers where they stand', async () => {
    const sql = ground.sql()
    const filter = (n: number) => sql`where n > ${n}`
    const rows = await sql`select ${sql('n')} from generate_series(1, 4) n ${filter(2)} order by 1`
    expect(rows).toEqual([{ n: 3 }, { n: 4 }])
    expect(await sql`select 1 as ${sql('odd "name')}`).toEqual([{ 'odd "name': 1 }])
  })

  it('builds inserts, updates, lists and values from objects', async () => {
    const sql = ground.sql()
    const rows = [1, 2, 3].map((id) => ({ id, name: `p${id}` }))
    await sql`insert into projects ${sql(rows, 'id', 'name')}`
    await sql`update projects set ${sql({ name: 'new' }, 'name')} where id in ${sql([1, 3])}`
    const values = sql`(values ${sql([
      ['1', 'a'],
      ['2', 'b'],
    ])}) as v(id, letter)`
    const joined =
      await sql`select p.name, letter from projects p join ${values} on v.id::int = p.id order by p.id`
    expect(joined).toEqual([
      { name: 'new', letter: 'a' },
      { name: 'p2', letter: 'b' },
    ])
    await sql`delete from projects`
  })

  it('carries json, arrays and typed values', async () => {
    const sql = ground.sql()
    const [row] = await sql`
      insert into projects (id, data, tags)
      values (1, ${sql.json({ a: [1, null] })}, ${sql.array(['x', 'y "z"'])}) returning data, tags`
    expect(row).toEqual({ data: { a: [1, null] }, tags: ['x', 'y "z"'] })
    expect(await sql`select ${sql.typed('7', 20)} as big, ${[1, 2]}::int[] as list`).toEqual([
      { big: '7', list: [1, 2] },
    ])
    await sql`delete from projects`
  })

  it('gives values as JavaScript ones, as postgres.js does', async () => {
    const sql = ground.sql()
    const [row] =
      await sql`select 1::int4 a, 1::int8 b, true c, 1.5::numeric d, now() e, '{1}'::int8[] f, '\\x01'::bytea g`
    expect(row).toEqual({
      a: 1,
      b: '1',
      c: true,
      d: '1.5',
      e: expect.any(Date),
      f: ['1'],
      g: Buffer.from([1]),
    })
  })

  it('runs text, with arguments or with several statements', async () => {
    const sql = ground.sql()
    expect(await sql.unsafe('select $1::int + 1 as n', [2])).toEqual([{ n: 3 }])
    expect(await sql.unsafe('select 1 as a; select 2 as b')).toEqual([[{ a: 1 }], [{ b: 2 }]])
    expect(await sql.unsafe('select $1::int as n', [1], { prepare: true })).toEqual([{ n: 1 }])
  })

  it('runs a file, and rejects when there is none', async () => {
    const sql = ground.sql()
    const path = join(tmpdir(), `${ground.database}.sql`)
    await writeFile(path, 'select $1::int * 2 as n')
    expect(await sql.file(path, [21])).toEqual([{ n: 42 }])
    await expect(sql.file(`${path}.none`)).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('answers as values, raw bytes, row by row, or by description', async () => {
    const sql = ground.sql()
    expect(await sql`select 1 a, 2 a`.values()).toEqual([[1, 2]])
    expect(await sql`select 'x' a`.raw()).toEqual([[Buffer.from('x')]])
    const seen: unknown[] = []
    await sql`select generate_series(1, 3) n`.forEach((row) => seen.push(row['n']))
    expect(seen).toEqual([1, 2, 3])
    const description = await sql`select id, name from projects where id = ${1}`.describe()
    expect(description.columns.map(({ name, type }) => [name, type])).toEqual([
      ['id', 23],
      ['name', 25],
    ])
    expect(description.types).toEqual([23])
  })

  it('tells its command, count and columns', async () => {
    const sql = ground.sql()
    const result = await sql`select 1 as one, 'x' as x`
    expect([result.command, result.count, result.columns.map((column) => column.name)]).toEqual([
      'SELECT',
      1,
      ['one', 'x'],
    ])
    expect(await sql`select 1`.simple()).toEqual([{ '?column?': 1 }])
  })

  it('rejects with what Postgres said, and the connection goes on', async () => {
    const sql = ground.sql()
    await expect(sql`select 1/${0}::int`).rejects.toBeInstanceOf(sql.PostgresError)
    await expect(sql`select x from none`).rejects.toMatchObject({ code: '42P01' })
    // Rows before the error: postgres.js 3.4.9 would put holes before the next answer (issue 1119).
    await expect(sql`select 1 / (3 - n) from generate_series(1, 5) n`).rejects.toMatchObject({
      code: '22012',
    })
    for (let i = 0; i < 3; i++) expect(await sql`select 1 as n`).toEqual([{ n: 1 }])
  })

  it('rejects what it cannot build, without a word to the server', async () => {
    const sql = ground.sql()
    await expect(sql`select ${undefined as never}`).rejects.toMatchObject({ code: 'UNDEFINED_VALUE' })
    expect(await sql`select 1 as n`).toEqual([{ n: 1 }])
  })

  it('gives its connection back at once', async () => {
    const sql = ground.sql()
    await Promise.all(Array.from({ length: 20 }, (_, n) => sql`select ${n}::int as n`))
    await sql`select 1`
    await expect.poll(() => ground.idle).toBe(2)
  })

  it('notifies', async () => {
    const result = await ground.sql().notify('news', 'hello')
    expect(result.command).toBe('SELECT')
  })

  it('runs through a foreign handle without leaving a prepared statement', async () => {
    await using own = await Ground.open(1)
    const sql = own.sql({ trust: 'foreign' })
    await sql`select ${1}::int`
    await sql`select ${1}::int`.describe()
    await sql.unsafe('select $1::int', [1], { prepare: true })
    expect(await sql`select count(*)::int as n from pg_prepared_statements`).toEqual([{ n: 0 }])
  })
})
