import { eq } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/postgres-js'
import { Hono } from 'hono'
import { HTTPException } from 'hono/http-exception'
import type { AppRouter } from 'tenantry'
import { jwt, tenancy } from 'tenantry/hono'
import { notes } from '../schema.ts'
import { keys, trusted } from '../tokens.ts'

export function notesApp(router: AppRouter) {
  const db = drizzle(router.sql())
  const app = new Hono()
  const token = jwt({ ...trusted, keys: { keys }, algorithms: ['EdDSA'], tenantClaim: 'org' })
  app.use(tenancy({ router, resolve: [token] }))

  app.get('/notes', async (c) => c.json(await db.select().from(notes).orderBy(notes.id)))

  app.post('/notes', async (c) => {
    const { bodies } = await c.req.json<{ bodies: string[] }>()
    await db.transaction(async (tx) => {
      for (const body of bodies) await tx.insert(notes).values({ body })
    })
    return c.json({ made: bodies.length }, 201)
  })

  app.delete('/notes/:id', async (c) => {
    const gone = await db
      .delete(notes)
      .where(eq(notes.id, Number(c.req.param('id'))))
      .returning()
    return gone.length > 0 ? c.json(gone[0]) : c.json({ error: 'no such note' }, 404)
  })

  app.onError((error, c) => {
    return error instanceof HTTPException ? error.getResponse() : c.json({ error: 'it did not work' }, 500)
  })

  return app
}
