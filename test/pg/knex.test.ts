import knex, { type Knex } from 'knex'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { NOBODY, OrmGround } from './orm-ground.ts'

let ground: OrmGround
let db: Knex
beforeAll(async () => {
  ground = await OrmGround.start()
  const { pool } = ground
  db = knex({ client: 'pg', connectionPool: pool, log: { warn: () => {} } })
  // For what Knex does on a connection of its own: a cancel, which is then a lease for a moment, too.
  Object.assign(db.client, {
    acquireRawConnection: () => pool.connect(),
    destroyRawConnection: async (client: { release(): void }) => client.release(),
  })
})
afterAll(async () => {
  await db.destroy()
  await ground[Symbol.asyncDispose]()
})

const titles = (on: Knex) => on('tasks').pluck('title').orderBy('id')

describe('Knex over a TenantPool', () => {
  it('reads, each tenant its own, many at once', async () => {
    await ground.interleaved(100, async (tenant) => {
      const found = await db('projects')
        .join('tasks', 'tasks.project_id', 'projects.id')
        .where('projects.id', 1)
      expect(found).toMatchObject([
        { name: `${tenant} one`, data: { of: tenant }, tags: ['a', 'b c'], price: '12.50' },
        { name: `${tenant} one`, title: `${tenant} second` },
      ])
      expect(await db('projects').first('name')).toEqual({ name: `${tenant} one` })
    })
  })

  it('writes, and says how much', async () => {
    await ground.as('acme', async () => {
      const task = { project_id: 1, title: 'written' }
      expect(await db('tasks').insert(task).returning('title')).toEqual([{ title: 'written' }])
      expect(await db('tasks').where({ title: 'written' }).update({ title: 'changed' })).toBe(1)
      expect(await db('tasks').where({ title: 'changed' }).del()).toBe(1)
      expect((await db.raw('select ? as x', ['y'])).rows).toEqual([{ x: 'y' }])
    })
  })

  it('keeps a transaction to one session, and undoes it, savepoints too', async () => {
    await ground.interleaved(10, async (tenant) => {
      const write = db.transaction(async (tx) => {
        await tx('tasks').insert({ project_id: 1, title: 'undone' })
        throw new Error('mine')
      })
      await expect(write).rejects.toThrow('mine')
      expect(await titles(db)).toEqual([`${tenant} first`, `${tenant} second`])
    })
    await ground.as('globex', async () => {
      await db.transaction(async (tx) => {
        const inner = tx.transaction(async (savepoint) => {
          await savepoint('tasks').del()
          throw new Error('inner')
        })
        await expect(inner).rejects.toThrow('inner')
        expect(await titles(tx)).toHaveLength(2)
      })
      const tx = await db.transaction(undefined, { isolationLevel: 'serializable', readOnly: true })
      expect((await tx.raw('show transaction_read_only')).rows).toEqual([{ transaction_read_only: 'on' }])
      await tx.rollback()
    })
  })

  it('cancels a query on a lease of the same tenant', async () => {
    await ground.as('acme', async () => {
      const slow = db.raw('select pg_sleep(60)').timeout(100, { cancel: true })
      await expect(slow).rejects.toThrow(/timeout of 100ms/)
    })
  })

  it('refuses to stream, which needs pg-query-stream, and goes on', async () => {
    await ground.as('acme', async () => {
      const stream = db('tasks').stream()
      const read = async () => {
        for await (const row of stream) expect(row).toBeUndefined()
      }
      await expect(read()).rejects.toMatchObject({ code: 'unsupported' })
      expect(await titles(db)).toHaveLength(2)
    })
  })

  it('says what Postgres said, and asks for a tenant', async () => {
    await ground.as('acme', async () => {
      const twice = db('projects').insert({ name: 'acme one' })
      await expect(twice).rejects.toMatchObject({ code: '23505', constraint: 'projects_name_key' })
    })
    await expect(titles(db)).rejects.toMatchObject({ code: 'no_tenant' })
  })

  it('connects to nothing past the router', async () => {
    expect(await ground.strangers()).toMatchObject({ ...NOBODY, own: expect.toSatisfy((n: number) => n > 1) })
  })
})
