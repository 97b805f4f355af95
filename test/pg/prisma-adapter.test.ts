import { PrismaPg } from '@prisma/adapter-pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { NOBODY, OrmGround } from './orm-ground.ts'

// Prisma's engine is not here: its adapter is called as the engine calls it.

type Adapter = Awaited<ReturnType<PrismaPg['connect']>>
type ArgType = Parameters<Adapter['queryRaw']>[0]['argTypes'][number]

let ground: OrmGround
let adapter: Adapter
beforeAll(async () => {
  ground = await OrmGround.start()
  adapter = await new PrismaPg(ground.pool).connect()
})
afterAll(async () => {
  await adapter.dispose()
  await ground[Symbol.asyncDispose]()
})

const scalar = (scalarType: ArgType['scalarType']): ArgType => ({ scalarType, arity: 'scalar' })
const query = (sql: string, args: unknown[] = [], argTypes: ArgType[] = []) => ({ sql, args, argTypes })
const titles = query('select title from tasks order by id')

describe("Prisma's adapter over a TenantPool", () => {
  it('takes it for the pool that it is', () => {
    expect(adapter.underlyingDriver()).toBe(ground.pool)
  })

  it('reads rows as the engine wants them, each tenant its own, many at once', async () => {
    await ground.interleaved(60, async (tenant) => {
      const sql = 'select name, price, views, data, tags, at from projects where id = $1 and name = $2'
      const asked = query(sql, [1, `${tenant} one`], [scalar('int'), scalar('string')])
      const { columnNames, rows } = await adapter.queryRaw(asked)
      expect(columnNames).toEqual(['name', 'price', 'views', 'data', 'tags', 'at'])
      const data = `{"of": "${tenant}"}`
      const at = '2026-01-02T03:04:05.678+00:00'
      expect(rows).toEqual([[`${tenant} one`, '12.50', '9007199254740993', data, ['a', 'b c'], at]])
    })
  })

  it('counts what was written', async () => {
    await ground.as('acme', async () => {
      const insert = query('insert into tasks (project_id, title) values (1, $1)', ['w'], [scalar('string')])
      expect(await adapter.executeRaw(insert)).toBe(1)
      expect(await adapter.executeRaw(query("delete from tasks where title = 'w'"))).toBe(1)
    })
  })

  it('begins a transaction in an isolation level, and the engine ends it by its text', async () => {
    await ground.as('globex', async () => {
      const tx = await adapter.startTransaction('SERIALIZABLE')
      const { rows } = await tx.queryRaw(query('show transaction_isolation'))
      expect(rows).toEqual([['serializable']])
      await tx.executeRaw(query("insert into tasks (project_id, title) values (1, 'kept')"))
      await tx.executeRaw(query('COMMIT'))
      await tx.commit()
      expect((await adapter.queryRaw(titles)).rows).toHaveLength(3)

      const undone = await adapter.startTransaction()
      await undone.executeRaw(query('SAVEPOINT s'))
      await undone.executeRaw(query('delete from tasks'))
      await undone.executeRaw(query('ROLLBACK TO SAVEPOINT s'))
      expect(await undone.executeRaw(query("delete from tasks where title = 'kept'"))).toBe(1)
      await undone.executeRaw(query('ROLLBACK'))
      await undone.rollback()
      expect((await adapter.queryRaw(titles)).rows).toHaveLength(3)
      await adapter.executeRaw(query("delete from tasks where title = 'kept'"))
    })
  })

  it('leaves nothing open where a transaction is given up without a word to the server', async () => {
    await ground.as('acme', async () => {
      const tx = await adapter.startTransaction()
      await tx.executeRaw(query('delete from tasks'))
      await tx.rollback()
      expect((await adapter.queryRaw(titles)).rows).toHaveLength(2)
    })
  })

  it('runs a script', async () => {
    await ground.as('acme', async () => {
      await adapter.executeScript('create table scripted (a int); insert into scripted values (1);')
      expect((await adapter.queryRaw(query('select a from scripted'))).rows).toEqual([[1]])
    })
  })

  it('says what Postgres said in its own words', async () => {
    const twice = ground.as('acme', () =>
      adapter.executeRaw(query("insert into projects (name) values ('acme one')")),
    )
    await expect(twice).rejects.toMatchObject({
      cause: {
        originalCode: '23505',
        kind: 'UniqueConstraintViolation',
        constraint: { index: 'projects_name_key' },
      },
    })
  })

  it('gives no shadow database, which would be one beside the router', async () => {
    const factory = new PrismaPg(ground.pool)
    await ground.as('acme', async () => {
      await expect(factory.connectToShadowDb()).rejects.toMatchObject({ cause: { originalCode: '42501' } })
    })
  })

  it('connects to nothing past the router', async () => {
    expect(await ground.strangers()).toMatchObject({ ...NOBODY, own: expect.toSatisfy((n: number) => n > 1) })
  })
})
