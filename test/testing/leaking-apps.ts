import { Hono } from 'hono'
import type { Sql } from '../../src/connection/sql.ts'
import type { AppRouter } from '../../src/router/app-router.ts'
import { runAsTenant } from '../../src/tenant/tenant-context.ts'
import { parseTenantId } from '../../src/tenant/tenant-id.ts'

export const NOTES =
  'create table notes (id bigint generated always as identity primary key, body text not null)'

/** Says for a request which handle it works with. */
type SqlOf = (tenant: string) => Sql | Promise<Sql>

function notesApp(sqlOf: SqlOf, cached: <T>(tenant: string, load: () => Promise<T>) => Promise<T>) {
  const app = new Hono<{ Variables: { tenant: string } }>()
  app.use((c, next) => {
    const tenant = parseTenantId(c.req.header('x-tenant'))
    c.set('tenant', tenant)
    return next()
  })
  app.post('/notes', async (c) => {
    const { body } = await c.req.json<{ body: string }>()
    const sql = await sqlOf(c.var.tenant)
    await sql`insert into notes (body) values (${body})`
    return c.body(null, 204)
  })
  app.get('/notes', async (c) => {
    const notes = await cached(c.var.tenant, async () => {
      const sql = await sqlOf(c.var.tenant)
      return sql<{ body: string }[]>`select body from notes order by id desc limit 5`
    })
    return c.json(notes)
  })
  app.get('/broken', (c) => c.text('it did not work', 500))
  return app
}

const fresh = <T>(_tenant: string, load: () => Promise<T>) => load()

/** Each tenant by its own handle, and nothing kept. */
export const soundApp = (router: AppRouter) => notesApp((tenant) => router.sql(tenant), fresh)

/** As `soundApp`, with the handle of the ambient tenant. */
export const ambientApp = (router: AppRouter) => {
  const app = new Hono()
  const sql = router.sql()
  app.use((c, next) => runAsTenant(parseTenantId(c.req.header('x-tenant')), next))
  app.post('/notes', async (c) => {
    const { body } = await c.req.json<{ body: string }>()
    await sql`insert into notes (body) values (${body})`
    return c.body(null, 204)
  })
  app.get('/notes', async (c) => c.json(await sql`select body from notes order by id desc limit 5`))
  return app
}

/** What is read once is answered to everyone. */
export function cachingApp(router: AppRouter) {
  let kept: unknown
  return notesApp(
    (tenant) => router.sql(tenant),
    async <T>(_tenant: string, load: () => Promise<T>) => (kept ??= await load()) as T, // the leak: any tenant's
  )
}

/** The handle of the first tenant serves all. */
export function firstHandleApp(router: AppRouter) {
  let sql: Sql | undefined
  return notesApp((tenant) => (sql ??= router.sql(tenant)), fresh)
}

/** The tenant of the last request is that of every request: right as long as there is one at a time. */
export function sharedVariableApp(router: AppRouter) {
  let current = ''
  const sqlOf = async (tenant: string) => {
    current = tenant
    await new Promise(setImmediate)
    return router.sql(current)
  }
  return notesApp(sqlOf, fresh)
}

/** An answer header that names what was stored last, by whoever it was. */
export function headerApp(router: AppRouter) {
  let last = 'nothing'
  const inner = soundApp(router)
  return async (request: Request) => {
    if (request.method === 'POST') last = JSON.parse(await request.clone().text()).body
    const answer = await inner.fetch(request)
    return new Response(answer.body, { status: answer.status, headers: { 'x-last': last } })
  }
}
