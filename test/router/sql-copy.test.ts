import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SqlError } from '../../src/errors.ts'
import { Ground } from './sql-ground.ts'

let ground: Ground
beforeAll(async () => {
  ground = await Ground.open(1, 'create table lines (n int, line text)')
})
afterAll(async () => await ground[Symbol.asyncDispose]())

async function expectUsable() {
  for (let i = 0; i < 3; i++) expect(await ground.sql()`select 7 as n`).toEqual([{ n: 7 }])
}

describe('a COPY', () => {
  it('writes what is piped into it', async () => {
    const sql = ground.sql()
    const lines = Array.from({ length: 5_000 }, (_, n) => `${n}\tline ${n}\n`)
    await pipeline(Readable.from(lines), await sql`copy lines from stdin`.writable())
    expect(await sql`select count(*)::int, max(n) from lines`).toEqual([{ count: 5_000, max: 4_999 }])
    await sql`delete from lines`
  })

  it('reads everything, with the connection held until the end', async () => {
    const sql = ground.sql()
    const stream = await sql`copy (select n from generate_series(1, 50000) n) to stdout`.readable()
    const next = sql`select 1 as n`.execute()
    let text = ''
    for await (const chunk of stream) text += String(chunk)
    expect(text.split('\n')).toHaveLength(50_001)
    expect(await next).toEqual([{ n: 1 }])
  })

  it('frees the connection when its reader leaves early', async () => {
    const sql = ground.sql()
    const stream =
      await sql`copy (select repeat('x', 1000) from generate_series(1, 200000)) to stdout`.readable()
    for await (const chunk of stream) {
      expect(String(chunk)).toContain('x')
      break
    }
    await expectUsable()
  })

  it('frees the connection when its writer gives up, and nothing is written', async () => {
    const sql = ground.sql()
    const stream = await sql`copy lines from stdin`.writable()
    stream.write('1\tone\n')
    stream.destroy(new Error('gave up'))
    await expectUsable()
    expect(await sql`select * from lines`).toEqual([])
  })

  it('rejects when there is nothing to copy', async () => {
    const sql = ground.sql()
    await expect(sql`copy none to stdout`.readable()).rejects.toMatchObject({ code: '42P01' })
    await expectUsable()
  })

  it('tells its writer that the server refused what was written', async () => {
    const sql = ground.sql()
    const writing = pipeline(
      Readable.from(['1\tone\n', 'two\tno number\n']),
      await sql`copy lines from stdin`.writable(),
    )
    await expect(writing).rejects.toMatchObject({ code: '22P02' })
    await expectUsable()
  })

  it('rolls its transaction back when the server refused what was written', async () => {
    const sql = ground.sql()
    const failing = sql.begin(async (own) => {
      await own`insert into lines values (1, 'one')`
      const stream = await own`copy lines from stdin`.writable()
      stream.end('no number\n')
    })
    await expect(failing).rejects.toMatchObject({ constructor: SqlError, sqlstate: '40000' })
    expect(await sql`select * from lines`).toEqual([])
  })

  it('takes a second COPY right after the first', async () => {
    const sql = ground.sql()
    for (let round = 1; round <= 20; round++) {
      await pipeline(Readable.from([`${round}\tx\n`]), await sql`copy lines from stdin`.writable())
    }
    expect(await sql`select count(*)::int from lines`).toEqual([{ count: 20 }])
    await sql`delete from lines`
  })
})
