import { type Generated, Kysely, sql } from 'kysely'
import { PostgresJSDialect } from 'kysely-postgres-js'
import { runAsTenant } from 'tenantry'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { AppRouter } from '../../src/router/app-router.ts'
import { parseTenantId, type TenantId } from '../../src/tenant/tenant-id.ts'
import { startWorld, type World } from '../support/world.ts'
import { unrun } from './pages.ts'

interface Database {
  projects: { id: Generated<number>; name: string }
  tasks: { id: Generated<number>; project_id: number; title: string }
}

const TABLES = `
  create table projects (id serial primary key, name text not null unique);
  create table tasks (id serial primary key, project_id int not null references projects, title text not null);
  grant all on all tables in schema public to public; grant all on all sequences in schema public to public`

const [acme, globex] = [parseTenantId('acme'), parseTenantId('globex')]
let world: World
beforeAll(async () => {
  world = await startWorld([acme, globex])
  for (const tenant of [acme, globex]) await world.execute(tenant, TABLES)
})
afterAll(() => world[Symbol.asyncDispose]())

function onceForTheApp(router: AppRouter) {
  const db = new Kysely<Database>({ dialect: new PostgresJSDialect({ postgres: router.sql() }) })
  return db
}

async function create(db: Kysely<Database>, name: string, title: string) {
  const project = await db
    .transaction()
    .setIsolationLevel('serializable')
    .execute(async (tx) => {
      const made = await tx.insertInto('projects').values({ name }).returningAll().executeTakeFirstOrThrow()
      await tx.insertInto('tasks').values({ project_id: made.id, title }).execute()
      return made
    })
  return project
}

const all = async (db: Kysely<Database>, tenant: TenantId) => {
  const projects = await runAsTenant(tenant, () => db.selectFrom('projects').selectAll().execute())
  return projects
}

describe('Kysely over the ambient handle of a router', () => {
  it('writes and reads each tenant’s own rows, through one handle and at once', async () => {
    const db = onceForTheApp(world.router)
    await Promise.all(
      [acme, globex].map((tenant) => runAsTenant(tenant, () => create(db, `of ${tenant}`, 'first'))),
    )
    for (const tenant of [acme, globex])
      expect(await all(db, tenant)).toEqual([{ id: 1, name: `of ${tenant}` }])
    await expect(db.selectFrom('projects').selectAll().execute()).rejects.toMatchObject({ code: 'no_tenant' })
  })

  it('reserves a lease for several queries, and leaves nothing of them in its session', async () => {
    const db = onceForTheApp(world.router)
    const leases: string[] = []
    using _ = world.router.on('leased', ({ tenant }) => leases.push(tenant))
    await runAsTenant(acme, async () => {
      const seen = await db.connection().execute(async (one) => {
        await sql`set local_clock.zone = 'UTC'`.execute(one)
        return await sql<{ zone: string }>`select current_setting('local_clock.zone') as zone`.execute(one)
      })
      expect(seen.rows).toEqual([{ zone: 'UTC' }])
      expect(leases).toEqual(['acme'])
      const after = await sql<{
        zone: string
      }>`select current_setting('local_clock.zone', true) as zone`.execute(db)
      expect(after.rows[0]?.zone ?? '').toBe('')
    })
  })

  it('streams by a cursor over one lease, which ends with the loop', async () => {
    const db = onceForTheApp(world.router)
    const names: string[] = []
    const leases: string[] = []
    using _ = world.router.on('leased', ({ tenant }) => leases.push(tenant))
    await runAsTenant(globex, async () => {
      for await (const { name } of db.selectFrom('projects').select('name').stream(500)) names.push(name)
    })
    expect(names).toEqual(['of globex'])
    expect(leases).toEqual(['globex'])
    await expect.poll(() => world.router.stats().connections.leased).toBe(0)
  })
})

it('all code of the page is in this file', () => {
  expect(unrun('docs/kysely.md', 'test/orm/kysely-page.test.ts')).toEqual(["import { Kysely } from 'kysely'"])
})
