import { neon, neonConfig, Pool, types } from '@neondatabase/serverless'
import { eq, relations, sql as text } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/neon-http'
import * as column from 'drizzle-orm/pg-core'
import { sql as fragment, type Generated, Kysely } from 'kysely'
import { NeonDialect } from 'kysely-neon'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { SqlGround } from './sql-ground.ts'

const projects = column.pgTable('projects', {
  id: column.serial('id').primaryKey(),
  name: column.text('name').notNull().unique(),
  data: column.jsonb('data').$type<unknown>(),
  price: column.numeric('price'),
  views: column.bigint('views', { mode: 'bigint' }),
  tags: column.text('tags').array(),
  at: column.timestamp('at', { withTimezone: true, precision: 6, mode: 'string' }),
  day: column.timestamp('day', { withTimezone: true, mode: 'date' }),
  isOpen: column.boolean('is_open'),
})
const tasks = column.pgTable('tasks', {
  id: column.serial('id').primaryKey(),
  projectId: column.integer('project_id').references(() => projects.id),
  title: column.text('title').notNull(),
})
const projectRelations = relations(projects, ({ many }) => ({ tasks: many(tasks) }))
const taskRelations = relations(tasks, ({ one }) => ({
  project: one(projects, { fields: [tasks.projectId], references: [projects.id] }),
}))
const schema = { projects, tasks, projectRelations, taskRelations }

const SCHEMA = `
  create table projects (id serial primary key, name text not null unique, data jsonb, price numeric, views int8,
    tags text[], at timestamptz(6), day timestamptz, is_open boolean);
  create table tasks (id serial primary key, project_id int references projects, title text not null);
  grant all on projects, tasks, projects_id_seq, tasks_id_seq to public`

const FULL = {
  name: 'one "quoted" ☃',
  data: { a: [1, null, { b: 'x' }] },
  price: '12345678901234567890.123456789',
  views: 9_007_199_254_740_993n,
  tags: ['a', 'b "c"', 'd,e'],
  at: '2026-01-02 03:04:05.123456+00',
  day: new Date('2026-01-02T03:04:05.678Z'),
  isOpen: false,
}

/** Types whose parsers drizzle replaces for the whole process: dates and times, and lists of them. */
const REPLACED = [1082, 1114, 1184, 1186, 1115, 1182, 1185, 1187, 1231]
const parsers = REPLACED.map((oid) => [oid, types.getTypeParser(oid)] as const)

let ground: SqlGround
beforeAll(async () => {
  ground = await SqlGround.open()
  await ground.http.world.execute('acme', SCHEMA)
  ground.endpoint()
})
beforeEach(() => ground.http.world.execute('acme', 'truncate projects, tasks restart identity'))
afterAll(async () => {
  for (const [oid, parse] of parsers) types.setTypeParser(oid, parse)
  await ground[Symbol.asyncDispose]()
})

const client = () => neon(ground.endpoint().connectionString)

describe('drizzle over neon-http, unmodified', () => {
  const open = () => drizzle(client(), { schema })

  it('writes and reads values of every kind exactly', async () => {
    const db = open()
    const [made] = await db.insert(projects).values(FULL).returning()
    expect(made).toEqual({ id: 1, ...FULL })
    expect(await db.select().from(projects).where(eq(projects.name, FULL.name))).toEqual([made])
  })

  it('runs relational queries, joins and fragments', async () => {
    const db = open()
    await db.insert(projects).values([{ name: 'a' }, { name: 'b' }])
    await db.insert(tasks).values([
      { projectId: 1, title: 'x' },
      { projectId: 1, title: 'y' },
    ])
    expect(
      await db.query.projects.findMany({
        columns: { name: true },
        with: { tasks: { columns: { title: true } } },
      }),
    ).toEqual([
      { name: 'a', tasks: [{ title: 'x' }, { title: 'y' }] },
      { name: 'b', tasks: [] },
    ])
    const counted = await db
      .select({ name: projects.name, n: text<number>`count(${tasks.id})::int` })
      .from(projects)
      .leftJoin(tasks, eq(tasks.projectId, projects.id))
      .groupBy(projects.name)
      .orderBy(projects.name)
    expect(counted).toEqual([
      { name: 'a', n: 2 },
      { name: 'b', n: 0 },
    ])
    const { rows, rowCount } = await db.execute(text`select ${1}::int as a`)
    expect([rows, rowCount]).toEqual([[{ a: 1 }], 1])
  })

  it('runs a batch as one transaction, whole or not at all', async () => {
    const db = open()
    const [, rows] = await db.batch([
      db.insert(projects).values({ name: 'a' }),
      db.select({ name: projects.name }).from(projects),
    ])
    expect(rows).toEqual([{ name: 'a' }])
    const failing = db.batch([
      db.insert(projects).values({ name: 'b' }),
      db.insert(projects).values({ name: 'a' }),
    ])
    await expect(failing).rejects.toMatchObject({ code: '23505', constraint: 'projects_name_key' })
    expect(await db.$count(projects)).toBe(1)
  })

  it('tells an error of Postgres with its fields', async () => {
    const wrong = open().insert(tasks).values({ projectId: 99, title: 'x' })
    await expect(wrong).rejects.toMatchObject({
      cause: { name: 'NeonDbError', code: '23503', constraint: 'tasks_project_id_fkey', table: 'tasks' },
    })
  })
})

describe('kysely over kysely-neon, unmodified', () => {
  interface Database {
    projects: { id: Generated<number>; name: string; is_open: boolean | null }
  }
  const open = () => new Kysely<Database>({ dialect: new NeonDialect({ neon: client() }) })

  it('writes, reads, counts what it changed, and deletes', async () => {
    await using db = open()
    const made = await db
      .insertInto('projects')
      .values([{ name: 'a' }, { name: 'b', is_open: true }])
      .returningAll()
      .execute()
    expect(made).toMatchObject([
      { id: 1, is_open: null },
      { id: 2, is_open: true },
    ])
    const updated = await db.updateTable('projects').set({ is_open: false }).executeTakeFirst()
    expect(updated.numUpdatedRows).toBe(2n)
    const { numDeletedRows } = await db.deleteFrom('projects').where('name', '=', 'a').executeTakeFirst()
    expect(numDeletedRows).toBe(1n)
    expect(await db.selectFrom('projects').select(['name', 'is_open']).execute()).toEqual([
      { name: 'b', is_open: false },
    ])
    const { rows } = await fragment<{ a: number }>`select ${1}::int as a`.execute(db)
    expect(rows).toEqual([{ a: 1 }])
  })

  it('tells an error of Postgres with its fields', async () => {
    await using db = open()
    const twice = db
      .insertInto('projects')
      .values([{ name: 'a' }, { name: 'a' }])
      .execute()
    await expect(twice).rejects.toMatchObject({ code: '23505', constraint: 'projects_name_key' })
  })
})

describe("the driver's own Pool, told to use fetch", () => {
  it('runs single queries', async () => {
    neonConfig.poolQueryViaFetch = true
    const pool = new Pool({ connectionString: ground.endpoint().connectionString })
    try {
      const { rows, rowCount } = await pool.query('select $1::int as a, tenant from notes limit 1', [7])
      expect([rows, rowCount]).toEqual([[{ a: 7, tenant: 'acme' }], 1])
      await expect(pool.query('select 1/0')).rejects.toMatchObject({ code: '22012' })
    } finally {
      neonConfig.poolQueryViaFetch = false
      await pool.end()
    }
  })
})
