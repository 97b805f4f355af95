import { Kysely, PostgresDialect, sql } from 'kysely'
// @ts-expect-error: it brings no types
import Cursor from 'pg-cursor'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { NOBODY, OrmGround } from './orm-ground.ts'

interface Tables {
  projects: { id: number; name: string; views: string; data: unknown; tags: string[] }
  tasks: { id?: number; project_id: number; title: string }
}

let ground: OrmGround
let db: Kysely<Tables>
beforeAll(async () => {
  ground = await OrmGround.start()
  db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool: ground.pool, cursor: Cursor }) })
})
afterAll(async () => {
  await db.destroy()
  await ground[Symbol.asyncDispose]()
})

const titles = (on: Kysely<Tables>) => on.selectFrom('tasks').select('title').orderBy('id').execute()

describe("Kysely's own dialect over a TenantPool", () => {
  it('selects, each tenant its own, many at once', async () => {
    await ground.interleaved(100, async (tenant) => {
      const found = await db
        .selectFrom('projects')
        .innerJoin('tasks', 'tasks.project_id', 'projects.id')
        .select(['name', 'title', 'views', 'data', 'tags'])
        .where('projects.id', '=', 1)
        .orderBy('tasks.id')
        .execute()
      const own = {
        name: `${tenant} one`,
        views: '9007199254740993',
        data: { of: tenant },
        tags: ['a', 'b c'],
      }
      expect(found).toEqual([
        { ...own, title: `${tenant} first` },
        { ...own, title: `${tenant} second` },
      ])
    })
  })

  it('counts what it wrote', async () => {
    await ground.as('acme', async () => {
      const task = { project_id: 1, title: 'written' }
      const { numInsertedOrUpdatedRows } = await db.insertInto('tasks').values(task).executeTakeFirstOrThrow()
      expect(numInsertedOrUpdatedRows).toBe(1n)
      const gone = await db.deleteFrom('tasks').where('title', '=', 'written').executeTakeFirst()
      expect(gone.numDeletedRows).toBe(1n)
    })
  })

  it('keeps a transaction to one session, and rolls it back, savepoints too', async () => {
    await ground.interleaved(10, async (tenant) => {
      const write = db
        .transaction()
        .setIsolationLevel('serializable')
        .execute(async (tx) => {
          await tx.insertInto('tasks').values({ project_id: 1, title: 'undone' }).execute()
          throw new Error('mine')
        })
      await expect(write).rejects.toThrow('mine')
      expect(await titles(db)).toEqual([{ title: `${tenant} first` }, { title: `${tenant} second` }])
    })
    await ground.as('acme', async () => {
      const tx = await db.startTransaction().execute()
      const inner = await tx.savepoint('s').execute()
      await inner.deleteFrom('tasks').execute()
      await (await inner.rollbackToSavepoint('s').execute()).commit().execute()
      expect(await titles(db)).toHaveLength(2)
    })
  })

  it('runs on one connection where that is asked for', async () => {
    await ground.as('acme', () =>
      db.connection().execute(async (one) => {
        const pid = () => sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(one)
        expect((await pid()).rows).toEqual((await pid()).rows)
      }),
    )
  })

  it('refuses to stream, which needs pg-cursor, and says what streams', async () => {
    await ground.as('acme', async () => {
      const rows = db.selectFrom('tasks').selectAll().stream()[Symbol.asyncIterator]()
      await expect(rows.next()).rejects.toMatchObject({
        code: 'unsupported',
        message: expect.stringMatching(/pg-cursor .+ router\.sql/),
      })
      expect(await titles(db)).toHaveLength(2)
    })
  })

  it('asks for a tenant', async () => {
    await expect(titles(db)).rejects.toMatchObject({ code: 'no_tenant' })
  })

  it('connects to nothing past the router', async () => {
    expect(await ground.strangers()).toMatchObject({ ...NOBODY, own: expect.toSatisfy((n: number) => n > 1) })
  })
})
