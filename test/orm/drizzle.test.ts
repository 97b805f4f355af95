import { eq, relations, sql as text } from 'drizzle-orm'
import {
  bigint,
  integer,
  jsonb,
  numeric,
  pgTable,
  serial,
  text as textColumn,
  timestamp,
} from 'drizzle-orm/pg-core'
import { drizzle } from 'drizzle-orm/postgres-js'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Ground } from '../router/sql-ground.ts'

const projects = pgTable('projects', {
  id: serial('id').primaryKey(),
  name: textColumn('name').notNull(),
  data: jsonb('data').$type<unknown>(),
  price: numeric('price'),
  views: bigint('views', { mode: 'bigint' }),
  tags: textColumn('tags').array(),
  sizes: integer('sizes').array(),
  at: timestamp('at', { withTimezone: true, precision: 6, mode: 'string' }),
  day: timestamp('day', { withTimezone: true, mode: 'date' }),
})
const tasks = pgTable('tasks', {
  id: serial('id').primaryKey(),
  projectId: integer('project_id').references(() => projects.id),
  title: textColumn('title').notNull(),
})
const projectRelations = relations(projects, ({ many }) => ({ tasks: many(tasks) }))
const taskRelations = relations(tasks, ({ one }) => ({
  project: one(projects, { fields: [tasks.projectId], references: [projects.id] }),
}))
const schema = { projects, tasks, projectRelations, taskRelations }

const SCHEMA = `
  create table projects (id serial primary key, name text not null, data jsonb, price numeric, views int8,
    tags text[], sizes int[], at timestamptz(6), day timestamptz);
  create table tasks (id serial primary key, project_id int references projects, title text not null)`

let ground: Ground
const open = () => drizzle(ground.sql(), { schema })
let db: ReturnType<typeof open>
beforeAll(async () => {
  ground = await Ground.open(2, SCHEMA)
  db = open()
})
beforeEach(async () => void (await ground.sql()`truncate projects, tasks restart identity`))
afterAll(async () => await ground[Symbol.asyncDispose]())

const full = {
  name: 'one "quoted"',
  data: { a: [1, null, { b: 'x' }] },
  price: '12345678901234567890.123456789',
  views: 9_007_199_254_740_993n,
  tags: ['a', 'b "c"', 'd,e'],
  sizes: [3, 1, 2],
  at: '2026-01-02 03:04:05.123456+00',
  day: new Date('2026-01-02T03:04:05.678Z'),
}

describe('Drizzle over a handle', () => {
  it('stores and reads every type whole', async () => {
    const [stored] = await db.insert(projects).values(full).returning()
    expect(stored).toEqual({ id: 1, ...full })
    const kinds = await ground.sql()`select jsonb_typeof(data) as kind, at::text from projects`
    expect(kinds).toEqual([{ kind: 'object', at: full.at }])
  })

  it('stores json texts, numbers and arrays as what they are', async () => {
    const values = ['text', 7, [1, 2], { nested: { deep: true } }]
    await db.insert(projects).values(values.map((data, n) => ({ name: `p${n}`, data })))
    const rows = await db.select({ data: projects.data }).from(projects).orderBy(projects.id)
    expect(rows.map((row) => row.data)).toEqual(values)
  })

  it('answers relational queries', async () => {
    await db.insert(projects).values([{ name: 'one' }, { name: 'two' }])
    await db.insert(tasks).values([1, 1, 2].map((projectId, n) => ({ projectId, title: `t${n}` })))
    const found = await db.query.projects.findMany({
      columns: { name: true },
      with: { tasks: { columns: { title: true }, orderBy: tasks.id } },
      orderBy: projects.id,
    })
    expect(found).toEqual([
      { name: 'one', tasks: [{ title: 't0' }, { title: 't1' }] },
      { name: 'two', tasks: [{ title: 't2' }] },
    ])
  })

  it('runs prepared queries again and again', async () => {
    await db.insert(projects).values([{ ...full }, { ...full, name: 'two' }])
    const byId = db
      .select()
      .from(projects)
      .where(eq(projects.id, text.placeholder('id')))
      .prepare('by_id')
    for (let round = 0; round < 3; round++) {
      expect(await byId.execute({ id: 1 })).toEqual([{ id: 1, ...full }])
      expect(await byId.execute({ id: 2 })).toEqual([{ id: 2, ...full, name: 'two' }])
    }
  })

  it('commits and rolls back transactions, with savepoints in them', async () => {
    await db.transaction(
      async (tx) => {
        await tx.insert(projects).values({ name: 'kept' })
        await tx.transaction(
          async (inner) => void (await inner.insert(projects).values({ name: 'kept too' })),
        )
        const failing = tx.transaction(async (inner) => {
          await inner.insert(projects).values({ name: 'lost' })
          inner.rollback()
        })
        await expect(failing).rejects.toThrow('Rollback')
      },
      { isolationLevel: 'serializable' },
    )
    const failing = db.transaction(async (tx) => {
      await tx.insert(projects).values({ name: 'lost' })
      await tx.insert(projects).values({ id: 1, name: 'taken' })
    })
    await expect(failing).rejects.toMatchObject({ cause: { code: '23505' } })
    const names = await db.select({ name: projects.name }).from(projects).orderBy(projects.id)
    expect(names.map((row) => row.name)).toEqual(['kept', 'kept too'])
  })

  it('keeps its transaction read-only where it was asked to', async () => {
    const failing = db.transaction((tx) => tx.insert(projects).values({ name: 'x' }), {
      accessMode: 'read only',
    })
    await expect(failing).rejects.toMatchObject({ cause: { code: '25006' } })
  })

  it('leaves plain handles on the same connections with the types of their own', async () => {
    await db.insert(projects).values(full)
    const sql = ground.sql()
    for (let round = 0; round < 4; round++) {
      expect((await db.select({ at: projects.at }).from(projects))[0]?.at).toBe(full.at)
      const [row] = await sql`select at, data from projects`
      expect(row).toEqual({ at: new Date('2026-01-02T03:04:05.123Z'), data: full.data })
    }
  })

  it('runs what is asked of it at once', async () => {
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, n) => db.execute<{ n: number }>(text`select ${n}::int as n`)),
    )
    expect(answers.map(([row]) => row?.n)).toEqual(Array.from({ length: 50 }, (_, n) => n))
  })
})
