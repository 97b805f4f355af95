import { isDeepStrictEqual } from 'node:util'
import { eq, sql as text } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/postgres-js'
import { Kysely } from 'kysely'
import { PostgresJSDialect } from 'kysely-postgres-js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Ground } from '../router/sql-ground.ts'
import { drizzleItem, ITEMS, items, numberItem, plainItem, SCHEMA, seededRandom } from './mixed-items.ts'

interface Tables {
  items: ReturnType<typeof plainItem>
}

const OPERATIONS = 8_000
const WORKERS = 24

let ground: Ground
beforeAll(async () => {
  ground = await Ground.open(3, SCHEMA)
})
afterAll(async () => await ground[Symbol.asyncDispose]())

const picked = (row: Record<string, unknown> | undefined) => ({ ...row })

/** The whole mixture of what applications do with handles; each operation answers [got, expected]. */
function operations(random: (below: number) => number): (() => Promise<[unknown, unknown]>)[] {
  const plain = ground.sql()
  const numbers = ground.sql()
  numbers.options.parsers[1700] = Number
  const [db, other] = [
    drizzle(ground.sql(), { schema: { items } }),
    drizzle(ground.sql(), { schema: { items } }),
  ]
  const kysely = new Kysely<Tables>({ dialect: new PostgresJSDialect({ postgres: ground.sql() }) })
  const item = () => 1 + random(ITEMS)
  const prepared = [db, other].map((each) =>
    each
      .select()
      .from(items)
      .where(eq(items.id, text.placeholder('id')))
      .prepare('item'),
  )
  /** The very text that Drizzle prepares: with parsers of another handle it would come out wrong. */
  const sameText = db
    .select()
    .from(items)
    .where(eq(items.id, text.placeholder('id')))
    .toSQL().sql
  const accounts = () => [1 + random(10), 11 + random(10)] as const
  const failing = async (work: PromiseLike<unknown>, code: string): Promise<[unknown, unknown]> => {
    const error: unknown = await work.then(
      () => 'nothing failed',
      (reason: unknown) => reason,
    )
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
    return [cause instanceof Error && 'code' in cause ? cause.code : cause, code]
  }

  return [
    async (n = item()) => [picked((await plain`select * from items where id = ${n}`)[0]), plainItem(n)],
    async (n = item()) => [picked((await numbers`select * from items where id = ${n}`)[0]), numberItem(n)],
    async (n = item()) => [picked((await plain.unsafe(sameText, [n], { prepare: true }))[0]), plainItem(n)],
    async (n = item()) => [
      picked((await numbers.unsafe(sameText, [n], { prepare: true }))[0]),
      numberItem(n),
    ],
    async (n = item()) => [await prepared[0]?.execute({ id: n }), [drizzleItem(n)]],
    async (n = item()) => [await prepared[1]?.execute({ id: n }), [drizzleItem(n)]],
    async (n = item()) => [await db.select().from(items).where(eq(items.id, n)), [drizzleItem(n)]],
    async (n = item()) => [await other.query.items.findFirst({ where: eq(items.id, n) }), drizzleItem(n)],
    async (n = item()) => [
      picked(await kysely.selectFrom('items').selectAll().where('id', '=', n).executeTakeFirst()),
      plainItem(n),
    ],
    async (n = item()) => [
      (await plain`select name, at from items where id = ${n}`.values())[0],
      [`item ${n}`, plainItem(n).at],
    ],
    async () => {
      const [from, to] = accounts()
      const moved = await plain.begin(async (sql) => {
        await sql`update accounts set balance = balance - 1 where id = ${from}`
        await sql`update accounts set balance = balance + 1 where id = ${to}`
        return await sql`select ${from}::int as n`
      })
      return [picked(moved[0]), { n: from }]
    },
    async () => {
      const [from] = accounts()
      return failing(
        plain.begin((sql) => [
          sql`update accounts set balance = balance - 5000 where id = ${from}`,
          sql`select 1`,
        ]),
        '23514',
      )
    },
    async (n = item()) => {
      const got = await db.transaction(async (tx) => {
        await tx.transaction((inner) => inner.execute(text`select 1/0`)).catch(() => {})
        return await tx.select().from(items).where(eq(items.id, n))
      })
      return [got, [drizzleItem(n)]]
    },
    async (n = item()) => {
      const got = await kysely.transaction().execute(async (tx) => {
        return await tx.selectFrom('items').selectAll().where('id', '=', n).executeTakeFirst()
      })
      return [picked(got), plainItem(n)]
    },
    async () => {
      const ids: unknown[] = []
      const [upTo, batch] = [1 + random(ITEMS), 5 + random(25)]
      for await (const rows of plain`select id from items where id <= ${upTo} order by id`.cursor(batch))
        ids.push(...rows.map((row) => row['id']))
      return [ids, Array.from({ length: upTo }, (_, n) => n + 1)]
    },
    async () => {
      const batch = 1 + random(9)
      for await (const row of kysely.selectFrom('items').select('id').orderBy('id').stream(batch)) {
        if (row.id === 5) return [row.id, 5]
      }
      return ['ended early', 5]
    },
    async () => failing(plain`select 1 / (${1 + random(20)} - id) from items order by id`, '22012'),
    async () => failing(db.execute(text`select 1 / (7 - id) from items`), '22012'),
    async () => {
      const thrown = Object.assign(new Error('mine'), { code: 'MINE' })
      const left = plain`select * from items`.cursor(4, () => {
        throw thrown
      })
      return failing(left, 'MINE')
    },
    async (n = item()) => {
      const given = plain`select ${n}::int as n`.execute()
      if (random(2)) await new Promise(setImmediate)
      given.cancel()
      const got: unknown = await given.then(
        ([row]) => row?.['n'],
        (error: { code?: string }) => error.code,
      )
      return [got === n || got === '57014', true]
    },
  ]
}

describe('handles, Drizzle and Kysely on the same three connections', () => {
  it(`give ${OPERATIONS} right answers of ${OPERATIONS}, by value and by type`, async () => {
    const random = seededRandom(20_260_101)
    const mixture = operations(random)
    const wrong: unknown[] = []
    let begun = 0
    const work = async () => {
      while (begun < OPERATIONS) {
        begun++
        const kind = random(mixture.length)
        const [got, expected] = (await mixture[kind]?.().catch((error: unknown) => [error, 'no error'])) ?? []
        if (!isDeepStrictEqual(got, expected)) wrong.push({ kind, got, expected })
      }
    }
    await Promise.all(Array.from({ length: WORKERS }, work))
    expect(wrong.slice(0, 5)).toEqual([])
    expect(begun).toBe(OPERATIONS)
    expect(await ground.sql()`select sum(balance)::int from accounts`).toEqual([{ sum: 20_000 }])
    await expect.poll(() => ground.idle).toBe(3)
    expect(ground.connections).toHaveLength(3)
  }, 120_000)
})
