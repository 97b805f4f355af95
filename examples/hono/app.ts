import { Hono } from 'hono'
import { parseTenantId, type TenantRouter, TenantryError, type TransactionSql } from 'tenantry'

/** Says which tenant a request is for, by what it proves: a session, a token. Undefined: nobody's. */
export type TenantOf = (request: Request) => string | undefined

/** A plain Hono app over the router: each request works in its own tenant's database, on one connection. */
export function projectsApp(router: TenantRouter, tenantOf: TenantOf) {
  const app = new Hono<{ Variables: { tenant: string } }>()

  app.use(async (c, next) => {
    const tenant = tenantOf(c.req.raw)
    if (tenant === undefined) return c.json({ error: 'who are you?' }, 401)
    c.set('tenant', parseTenantId(tenant))
    return next()
  })

  app.get('/projects', async (c) => {
    const rows = await router.withTenant(
      c.var.tenant,
      (sql) => sql`select id, name from projects order by id`,
    )
    return c.json(rows)
  })

  app.post('/projects', async (c) => {
    const { name, tasks = [] } = await c.req.json<{ name: string; tasks?: string[] }>()
    const id = await router.transaction(c.var.tenant, {}, (sql) => addProject(sql, name, tasks))
    return c.json({ id }, 201)
  })

  // What a TenantryError says in publicDetail may be read by anyone; no other message may.
  app.onError((error, c) => {
    return c.json({ error: error instanceof TenantryError ? error.publicDetail : 'it did not work' }, 500)
  })

  return app
}

/** All of it or nothing: it runs inside a transaction. */
async function addProject(sql: TransactionSql, name: string, tasks: readonly string[]): Promise<string> {
  const [project] = await sql<{ id: string }[]>`insert into projects (name) values (${name}) returning id`
  if (!project) throw new Error('an insert with returning answered no row')
  for (const title of tasks) await sql`insert into tasks (project_id, title) values (${project.id}, ${title})`
  return project.id
}
