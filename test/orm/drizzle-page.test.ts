import { relations } from 'drizzle-orm'
import { integer, pgTable, serial, text } from 'drizzle-orm/pg-core'
import { drizzle } from 'drizzle-orm/postgres-js'
import { runAsTenant } from 'tenantry'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { NoTenantError, TenantMismatchError } from '../../src/errors.ts'
import type { AppRouter } from '../../src/router/app-router.ts'
import { parseTenantId } from '../../src/tenant/tenant-id.ts'
import { startWorld, type World } from '../support/world.ts'
import { unrun } from './pages.ts'

const TABLES = `
  create table projects (id serial primary key, name text not null unique);
  create table tasks (id serial primary key, project_id int not null references projects, title text not null);
  grant all on all tables in schema public to public; grant all on all sequences in schema public to public`

const projects = pgTable('projects', { id: serial('id').primaryKey(), name: text('name').notNull() })
const tasks = pgTable('tasks', {
  id: serial('id').primaryKey(),
  projectId: integer('project_id').notNull(),
  title: text('title').notNull(),
})
const schema = {
  projects,
  tasks,
  projectRelations: relations(projects, ({ many }) => ({ tasks: many(tasks) })),
  taskRelations: relations(tasks, ({ one }) => ({
    project: one(projects, { fields: [tasks.projectId], references: [projects.id] }),
  })),
}

const tenants = ['acme', 'globex'].map(parseTenantId)
let world: World
beforeAll(async () => {
  world = await startWorld(tenants, { maxConnectionsPerTenant: 1 })
  for (const tenant of tenants) await world.execute(tenant, TABLES)
})
afterAll(() => world[Symbol.asyncDispose]())

function onceForTheApp(router: AppRouter) {
  const db = drizzle(router.sql(), { schema })
  const create = async (name: string, title: string) => {
    const project = await db.transaction(
      async (tx) => {
        const [made] = await tx.insert(schema.projects).values({ name }).returning()
        if (!made) throw new Error('an insert with returning answered no row')
        await tx.transaction((inner) => inner.insert(schema.tasks).values({ projectId: made.id, title }))
        return made
      },
      { isolationLevel: 'repeatable read' },
    )
    return project
  }
  return { db, create }
}

const isTaken = (error: unknown) => {
  const cause = error instanceof Error ? error.cause : undefined
  return cause instanceof Error && 'code' in cause && cause.code === '23505'
}

describe('Drizzle over the ambient handle of a router', () => {
  it('writes and reads each tenant’s own rows, through one handle and at once', async () => {
    const { db, create } = onceForTheApp(world.router)
    await Promise.all(tenants.map((tenant) => runAsTenant(tenant, () => create(`of ${tenant}`, 'first'))))
    for (const tenant of tenants) {
      const projects = await runAsTenant(tenant, () => db.query.projects.findMany({ with: { tasks: true } }))
      expect(projects).toEqual([
        { id: 1, name: `of ${tenant}`, tasks: [{ id: 1, projectId: 1, title: 'first' }] },
      ])
    }
    const again = tenants.map((tenant) =>
      runAsTenant(tenant, () => create(`of ${tenant}`, 'second')).catch((error: unknown) => isTaken(error)),
    )
    expect(await Promise.all(again)).toEqual([true, true])
  })

  it('sends nothing without a tenant, nor for one in the context of another', async () => {
    const { router } = world
    const { db } = onceForTheApp(router)
    await expect(db.select().from(projects)).rejects.toMatchObject({ cause: expect.any(NoTenantError) })
    const acme = drizzle(router.sql('acme'), { schema })
    expect(await acme.select({ name: projects.name }).from(projects)).toEqual([{ name: 'of acme' }])
    const elsewhere = runAsTenant(parseTenantId('globex'), async () => await acme.select().from(projects))
    await expect(elsewhere).rejects.toMatchObject({ cause: expect.any(TenantMismatchError) })
  })

  it('refuses a statement beside a transaction that has the only connection, instead of waiting for itself', async () => {
    const { db } = onceForTheApp(world.router)
    const nested = runAsTenant(parseTenantId('acme'), () =>
      db.transaction(async (tx) => {
        await tx.select().from(projects)
        await db.select().from(projects)
      }),
    )
    await expect(nested).rejects.toMatchObject({ cause: { code: 'nested_lease' } })
  })
})

it('all code of the page is in this file', () => {
  expect(unrun('docs/drizzle.md', 'test/orm/drizzle-page.test.ts')).toEqual([])
})
