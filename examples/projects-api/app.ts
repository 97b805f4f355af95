import { eq } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/postgres-js'
import { Hono } from 'hono'
import { parseTenantId, runAsTenant, type TenantRouter, TenantryError } from 'tenantry'
import * as schema from './schema.ts'

/** Says which tenant a request is for, by what it proves. */
export type TenantOf = (request: Request) => string | undefined

/** A projects API with Drizzle: made once, it works in whichever tenant's database the request is for. */
export function projectsApi(router: TenantRouter, tenantOf: TenantOf) {
  // Once for the whole app: each statement leases a connection of the tenant whose request it runs in.
  const db = drizzle(router.sql(), { schema })
  const app = new Hono()

  app.use(async (c, next) => {
    const tenant = tenantOf(c.req.raw)
    if (tenant === undefined) return c.json({ error: 'who are you?' }, 401)
    return runAsTenant(parseTenantId(tenant), next)
  })

  app.get('/projects', async (c) => {
    return c.json(await db.query.projects.findMany({ with: { tasks: true }, orderBy: schema.projects.id }))
  })

  app.post('/projects', async (c) => {
    const { name, tasks } = await c.req.json<{ name: string; tasks: string[] }>()
    const made = await db.transaction(async (tx) => {
      const [project] = await tx.insert(schema.projects).values({ name }).returning()
      if (!project) throw new Error('an insert with returning answered no row')
      const rows = tasks.map((title) => ({ projectId: project.id, title }))
      if (rows.length > 0) await tx.insert(schema.tasks).values(rows)
      return project
    })
    return c.json(made, 201)
  })

  app.patch('/tasks/:id', async (c) => {
    const { isDone } = await c.req.json<{ isDone: boolean }>()
    const id = Number(c.req.param('id'))
    const [task] = await db.update(schema.tasks).set({ isDone }).where(eq(schema.tasks.id, id)).returning()
    return task ? c.json(task) : c.json({ error: 'no such task' }, 404)
  })

  // What a TenantryError says in publicDetail may be read by anyone; no other message may.
  app.onError((error, c) => {
    return c.json({ error: error instanceof TenantryError ? error.publicDetail : 'it did not work' }, 500)
  })

  return app
}
