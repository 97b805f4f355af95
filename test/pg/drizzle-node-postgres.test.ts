import { eq, relations, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import { bigint, integer, jsonb, numeric, pgTable, serial, text, timestamp } from 'drizzle-orm/pg-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TenantPool } from '../../src/pg/tenant-pool.ts'
import { NOBODY, OrmGround } from './orm-ground.ts'

const projects = pgTable('projects', {
  id: serial('id').primaryKey(),
  name: text('name').notNull(),
  price: numeric('price'),
  views: bigint('views', { mode: 'bigint' }),
  data: jsonb('data').$type<unknown>(),
  tags: text('tags').array(),
  at: timestamp('at', { withTimezone: true, precision: 3 }),
})
const tasks = pgTable('tasks', {
  id: serial('id').primaryKey(),
  projectId: integer('project_id').notNull(),
  title: text('title').notNull(),
})
const schema = {
  projects,
  tasks,
  ofProjects: relations(projects, ({ many }) => ({ tasks: many(tasks) })),
  ofTasks: relations(tasks, ({ one }) => ({
    project: one(projects, { fields: [tasks.projectId], references: [projects.id] }),
  })),
}

let ground: OrmGround
const open = (client: TenantPool) => drizzle({ client, schema })
let db: ReturnType<typeof open>
beforeAll(async () => {
  ground = await OrmGround.start()
  db = open(ground.pool)
})
afterAll(() => ground[Symbol.asyncDispose]())

describe("Drizzle's node-postgres over a TenantPool", () => {
  it('reads and writes each type whole', async () => {
    const row = {
      name: 'typed',
      price: '12345678.90',
      views: 9_007_199_254_740_993n,
      data: { a: [1, null, { b: 'x' }] },
      tags: ['a', 'b "c"', 'd,e'],
      at: new Date('2026-01-02T03:04:05.678Z'),
    }
    await ground.as('acme', async () => {
      await db.insert(projects).values(row)
      const found = await db.select().from(projects).where(eq(projects.name, 'typed'))
      expect(found).toMatchObject([row])
      await db.delete(projects).where(eq(projects.name, 'typed'))
    })
  })

  it('answers relational queries, each tenant with its own, many at once', async () => {
    await ground.interleaved(100, async (tenant) => {
      const found = await db.query.projects.findMany({ with: { tasks: { columns: { title: true } } } })
      expect(found).toMatchObject([
        { name: `${tenant} one`, tasks: [{ title: `${tenant} first` }, { title: `${tenant} second` }] },
      ])
    })
  })

  it('runs prepared statements by name', async () => {
    const named = db
      .select({ name: projects.name })
      .from(projects)
      .where(eq(projects.id, sql.placeholder('id')))
      .prepare('project_by_id')
    await ground.interleaved(20, async (tenant) => {
      expect(await named.execute({ id: 1 })).toEqual([{ name: `${tenant} one` }])
    })
  })

  it('commits and rolls back transactions, and those within', async () => {
    await ground.interleaved(10, async (tenant) => {
      const write = db.transaction(
        async (tx) => {
          await tx.insert(tasks).values({ projectId: 1, title: 'undone' })
          await tx.transaction(async (inner) => {
            await inner.insert(tasks).values({ projectId: 1, title: `${tenant} inner` })
          })
          throw new Error('mine')
        },
        { isolationLevel: 'repeatable read' },
      )
      await expect(write).rejects.toThrow('mine')
      expect(await db.$count(tasks)).toBe(2)
    })
    await ground.as('acme', async () => {
      await db.transaction(async (tx) => {
        await tx.insert(tasks).values({ projectId: 1, title: 'kept' })
      })
      expect(await db.delete(tasks).where(eq(tasks.title, 'kept')).returning({ title: tasks.title })).toEqual(
        [{ title: 'kept' }],
      )
    })
  })

  it('says what Postgres said, as its cause', async () => {
    const twice = ground.as('acme', async () => await db.insert(projects).values({ name: 'acme one' }))
    await expect(twice).rejects.toMatchObject({
      cause: { code: '23505', constraint: 'projects_name_key', detail: expect.any(String) },
    })
  })

  it('is of one tenant where the pool is', async () => {
    const globex = open(new TenantPool(ground.world.router, 'globex'))
    expect(await globex.select({ name: projects.name }).from(projects)).toEqual([{ name: 'globex one' }])
    const refused = ground.as('acme', async () => await globex.select().from(projects))
    await expect(refused).rejects.toMatchObject({ cause: { code: 'tenant_mismatch' } })
  })

  it('connects to nothing past the router', async () => {
    expect(await ground.strangers()).toMatchObject({ ...NOBODY, own: expect.toSatisfy((n: number) => n > 1) })
  })
})
