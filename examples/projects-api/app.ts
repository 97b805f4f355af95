import { count, eq } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/postgres-js'
import { type Context, Hono } from 'hono'
import { HTTPException } from 'hono/http-exception'
import type { AppRouter } from 'tenantry'
import { host, type JwtOptions, jwt, type TenancyEnv, tenancy, tenancyErrors } from 'tenantry/hono'
import type { Jobs, TenantCaches } from 'tenantry/redis'
import { z } from 'zod'
import type { JobQueue } from './jobs.ts'
import * as schema from './schema.ts'

export interface AppParts {
  readonly router: AppRouter
  /** Who signs the tokens of its users. */
  readonly issuer: Pick<JwtOptions, 'issuer' | 'audience' | 'keys' | 'algorithms'>
  /** Tenants are at `acme.<domain>`. */
  readonly domain: string
  readonly jobs: Jobs
  readonly queue: JobQueue
  /** Without it summaries are counted each time. */
  readonly cache?: TenantCaches | undefined
  /** Hears of what callers are not told. */
  readonly onFault: (fault: unknown) => void
}

const NewProject = z.object({ name: z.string().min(1), tasks: z.array(z.string().min(1)).default([]) })
const Change = z.object({ isDone: z.boolean() })
const Id = z.coerce.number().int().positive()

/** Projects and their tasks, each tenant's in its own database. Nothing below the first lines knows of tenants. */
export function projectsApi({ router, issuer, domain, jobs, queue, cache, onFault }: AppParts) {
  // Once for the whole app: each statement leases a connection of the tenant whose request it runs in.
  const db = drizzle(router.sql(), { schema })
  const app = new Hono<TenancyEnv>()
  app.use(tenancy({ router, resolve: [jwt({ ...issuer, tenantClaim: 'tenant' }), host(domain)] }))

  app.get('/projects', async (c) => {
    return c.json(await db.query.projects.findMany({ with: { tasks: true }, orderBy: schema.projects.id }))
  })

  app.post('/projects', async (c) => {
    const { name, tasks } = NewProject.parse(await bodyOf(c))
    const made = await db.transaction(async (tx) => {
      const [project] = await tx.insert(schema.projects).values({ name }).returning()
      if (!project) throw new Error('an insert with returning answered no row')
      const rows = tasks.map((title) => ({ projectId: project.id, title }))
      if (rows.length > 0) await tx.insert(schema.tasks).values(rows)
      return project
    })
    await cache?.forTenant().delete('summary')
    return c.json(made, 201)
  })

  app.patch('/tasks/:id', async (c) => {
    const { isDone } = Change.parse(await bodyOf(c))
    const id = Id.parse(c.req.param('id'))
    const [task] = await db.update(schema.tasks).set({ isDone }).where(eq(schema.tasks.id, id)).returning()
    await cache?.forTenant().delete('summary')
    return task ? c.json(task) : c.json({ error: 'no such task' }, 404)
  })

  // In the background: the job is sealed for the tenant that asks, and can run as no other.
  app.post('/projects/:id/finish', async (c) => {
    const project = Id.parse(c.req.param('id'))
    queue.add(await jobs.seal('finish', { project }))
    return c.json({ accepted: true }, 202)
  })

  const countOpen = async () => {
    const [row] = await db.select({ open: count() }).from(schema.tasks).where(eq(schema.tasks.isDone, false))
    return { open: row?.open ?? 0 }
  }
  app.get('/summary', async (c) => {
    return c.json(
      await (cache?.forTenant().getOrLoad('summary', { ttlMs: 10_000 }, countOpen) ?? countOpen()),
    )
  })

  app.onError(
    tenancyErrors((error, c) => {
      if (error instanceof z.ZodError) return c.json({ error: z.prettifyError(error) }, 400)
      if (error instanceof HTTPException) return error.getResponse()
      onFault(error)
      return c.json({ error: 'it did not work' }, 500)
    }),
  )

  return app
}

/** What is no JSON is refused as any other wrong body is. */
const bodyOf = (c: Context): Promise<unknown> => c.req.json().catch(() => undefined)
