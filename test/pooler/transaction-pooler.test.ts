import { integer, pgTable, text } from 'drizzle-orm/pg-core'
import { drizzle } from 'drizzle-orm/postgres-js'
import { describe, expect, it } from 'vitest'
import { startPooledWorld } from './pooled-world.ts'

const notes = pgTable('notes', {
  id: integer().primaryKey(),
  tenant: text().notNull(),
  body: text().notNull(),
})

describe('a tenant behind a transaction pooler', () => {
  it('is served by the handles of postgres.js and Drizzle', async () => {
    await using ground = await startPooledWorld(['acme'])
    const sql = ground.router.sql('acme')
    const [row] =
      await sql`select count(*)::int as n, ${7}::int as seven, ${[1, 2]}::int[] as list from notes`
    expect(row).toEqual({ n: 20, seven: 7, list: [1, 2] })
    const db = drizzle({ client: sql, schema: { notes } })
    expect(await db.select().from(notes).limit(1)).toMatchObject([{ tenant: 'acme' }])
    await db.transaction(async (tx) => {
      await tx.insert(notes).values({ id: 21, tenant: 'acme', body: 'new' })
    })
    expect(await db.$count(notes)).toBe(21)
  })
})
