import { once } from 'node:events'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Sql } from '../../src/connection/sql.ts'
import { startWorld, type World } from '../support/world.ts'

let world: World
let sql: Sql
beforeAll(async () => {
  world = await startWorld(['acme'], { maxConnections: 2 })
  await world.execute(
    'acme',
    `create type mood as enum ('sad', 'ok'); create domain email as text check (value like '%@%');
     create type pair as (a int, b text);
     create table things (id int primary key, name text, data jsonb); grant all on things to public`,
  )
  sql = world.router.sql('acme')
})
beforeEach(() => world.execute('acme', 'truncate things'))
afterAll(() => world[Symbol.asyncDispose]())

const things = Array.from({ length: 6 }, (_, n) => ({ id: n + 1, name: `thing ${n + 1}`, data: { n } }))
/** Whatever was done, no connection is out. */
const nothingHeld = () => vi.waitFor(() => expect(world.router.stats().connections.leased).toBe(0))

describe('the handle of a router', () => {
  it('takes fragments, identifiers and helpers where they stand', async () => {
    await sql`insert into things ${sql(things.map(({ id, name }) => ({ id, name })))}`
    const only = (ids: readonly number[]) => sql`where id in ${sql(ids)}`
    await sql`update things set ${sql({ name: 'changed' })} ${only([1, 2])}`
    const rows = await sql`select ${sql(['id', 'name'])} from ${sql('things')} ${only([2, 3])} order by id`
    expect(rows).toEqual([
      { id: 2, name: 'changed' },
      { id: 3, name: 'thing 3' },
    ])
    for (const [more, ids] of [
      [sql`and id > ${4}`, [5]],
      [sql``, [4, 5]],
    ] as const) {
      const found = await sql`select id from things where id = any(${[4, 5]}) ${more} order by id`
      expect(found.map((row) => row['id'])).toEqual(ids)
    }
    await nothingHeld()
  })

  it('answers as values, bytes and descriptions, and row by row', async () => {
    expect(await sql`select 1 as a, 'x' as b`.values()).toEqual([[1, 'x']])
    expect(await sql`select 1 as a`.raw()).toEqual([[Buffer.from('1')]])
    const described = await sql`select ${1}::int8 as n`.describe()
    expect(described).toMatchObject({ types: [20], columns: [{ name: 'n', type: 20 }] })
    const seen: unknown[] = []
    await sql`select n from generate_series(1, 3) n`.forEach((row) => void seen.push(row['n']))
    expect(seen).toEqual([1, 2, 3])
    await nothingHeld()
  })

  it('reads by cursors, and copies in and out, on one lease each', async () => {
    await pipeline(
      Readable.from(things.map(({ id, name }) => `${id}\t${name}\t{}\n`)),
      await sql`copy things from stdin`.writable(),
    )
    const batches: unknown[] = []
    for await (const rows of sql`select id from things order by id`.cursor(4))
      batches.push(rows.map((row) => row['id']))
    expect(batches).toEqual([
      [1, 2, 3, 4],
      [5, 6],
    ])
    const out = await sql`copy (select id from things order by id) to stdout`.readable()
    let text = ''
    out.on('data', (chunk: Buffer) => (text += chunk.toString()))
    await once(out, 'end')
    expect(text).toBe('1\n2\n3\n4\n5\n6\n')
    await nothingHeld()
  })

  it('reads arrays of types that the database made itself', async () => {
    const [row] = await sql`select array['sad', 'ok']::mood[] as moods, array['a@b']::email[] as emails,
      array[row(1, 'x')]::pair[] as pairs, array[['ok'], ['sad']]::mood[] as nested`
    expect(row).toEqual({
      moods: ['sad', 'ok'],
      emails: ['a@b'],
      pairs: ['(1,x)'],
      nested: [['ok'], ['sad']],
    })
  })

  it('reserves a lease that keeps its session until it is released', async () => {
    const own = await sql.reserve()
    await own`create temporary table own (n int)`
    expect(world.router.stats().connections.leased).toBe(1)
    expect(await own`select count(*)::int from own`).toEqual([{ count: 0 }])
    own.release()
    await nothingHeld()
    await expect(sql`select * from own`).rejects.toMatchObject({ code: '42P01' })
  })

  it.each([
    [{ isolation: 'read committed' }, ['read committed', 'off', 'off']],
    [{ isolation: 'repeatable read' }, ['repeatable read', 'off', 'off']],
    [{ isolation: 'serializable', readOnly: true, deferrable: true }, ['serializable', 'on', 'on']],
    [{ readOnly: true }, ['read committed', 'on', 'off']],
  ] as const)('begins its router’s transactions as they were asked for: %j', async (options, expected) => {
    const seen = await world.router.transaction('acme', options, async (tx) => {
      const show = async (name: string) => (await tx.unsafe(`show transaction_${name}`).values())[0]?.[0]
      return [await show('isolation'), await show('read_only'), await show('deferrable')]
    })
    expect(seen).toEqual(expected)
  })

  it('undoes a savepoint alone', async () => {
    await world.router.transaction('acme', {}, async (tx) => {
      await tx`insert into things ${tx({ id: 1, name: 'kept' })}`
      const undone = tx.savepoint(async (inner) => {
        await inner`insert into things ${inner({ id: 2, name: 'undone' })}`
        throw new Error('mine')
      })
      await expect(undone).rejects.toThrow('mine')
    })
    expect(await sql`select name from things`).toEqual([{ name: 'kept' }])
    await nothingHeld()
  })
})
