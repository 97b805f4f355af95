import pg from 'pg'
import { DataSource, EntitySchema } from 'typeorm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { NOBODY, OrmGround } from './orm-ground.ts'

interface Task {
  id?: number
  title: string
  project?: Project
}
interface Project {
  id?: number
  name: string
  price?: string
  views?: string
  data?: unknown
  tags?: string[]
  at?: Date
  tasks?: Task[]
}

const Projects = new EntitySchema<Project>({
  name: 'Project',
  tableName: 'projects',
  columns: {
    id: { type: 'int', primary: true, generated: 'increment' },
    name: { type: 'text' },
    price: { type: 'numeric', precision: 10, scale: 2, nullable: true },
    views: { type: 'int8', nullable: true },
    data: { type: 'jsonb', nullable: true },
    tags: { type: 'text', array: true, nullable: true },
    at: { type: 'timestamptz', precision: 3, nullable: true },
  },
  relations: { tasks: { type: 'one-to-many', target: 'Task', inverseSide: 'project' } },
})
const Tasks = new EntitySchema<Task>({
  name: 'Task',
  tableName: 'tasks',
  columns: {
    id: { type: 'int', primary: true, generated: 'increment' },
    title: { type: 'text' },
  },
  relations: {
    project: {
      type: 'many-to-one',
      target: 'Project',
      joinColumn: { name: 'project_id' },
      inverseSide: 'tasks',
    },
  },
})

let ground: OrmGround
let source: DataSource
beforeAll(async () => {
  ground = await OrmGround.start()
  const { pool } = ground
  source = new DataSource({
    type: 'postgres',
    driver: {
      ...pg,
      Pool: function Pool() {
        return pool
      },
    },
    entities: [Projects, Tasks],
  })
  await ground.as('acme', () => source.initialize())
})
afterAll(async () => {
  await source.destroy()
  await ground[Symbol.asyncDispose]()
})

describe('TypeORM over a TenantPool', () => {
  it('finds entities with their relations, each tenant its own, many at once', async () => {
    await ground.interleaved(60, async (tenant) => {
      const found = await source
        .getRepository(Projects)
        .find({ relations: { tasks: true }, order: { tasks: { id: 'ASC' } } })
      expect(found).toMatchObject([
        {
          name: `${tenant} one`,
          data: { of: tenant },
          tasks: [{ title: `${tenant} first` }, { title: `${tenant} second` }],
        },
      ])
    })
  })

  it('saves, reads, changes and removes each type whole', async () => {
    await ground.as('acme', async () => {
      const projects = source.getRepository(Projects)
      const row = {
        name: 'typed',
        price: '12345678.90',
        views: '9007199254740993',
        data: { a: [1, null] },
        tags: ['a', 'b "c"'],
        at: new Date('2026-01-02T03:04:05.678Z'),
      }
      const saved = await projects.save({ ...row, tasks: [] })
      expect(await projects.findOneByOrFail({ name: 'typed' })).toEqual({ ...row, id: saved.id })
      await projects.save({ ...saved, price: '1.00' })
      expect(await projects.countBy({ price: '1.00' })).toBe(1)
      expect(await projects.delete({ name: 'typed' })).toMatchObject({ affected: 1 })
    })
  })

  it('undoes transactions of an entity manager, those within too', async () => {
    await ground.interleaved(10, async (tenant) => {
      const write = source.transaction('SERIALIZABLE', async (manager) => {
        await manager.save(Tasks, { title: `${tenant} undone`, project: { id: 1, name: '' } })
        await manager.transaction(async (inner) => void (await inner.deleteAll(Tasks)))
        throw new Error('mine')
      })
      await expect(write).rejects.toThrow('mine')
      expect(await source.getRepository(Tasks).count()).toBe(2)
    })
  })

  it('gives a query runner one session until it is released', async () => {
    await ground.as('globex', async () => {
      const runner = source.createQueryRunner()
      await runner.startTransaction('REPEATABLE READ')
      await runner.query('insert into tasks (project_id, title) values ($1, $2)', [1, 'mine'])
      expect(await runner.query('select title from tasks where title = $1', ['mine'])).toEqual([
        { title: 'mine' },
      ])
      expect(await source.getRepository(Tasks).countBy({ title: 'mine' })).toBe(0)
      await runner.rollbackTransaction()
      await runner.release()
      expect(await source.getRepository(Tasks).count()).toBe(2)
    })
  })

  it('refuses to stream, which needs pg-query-stream', async () => {
    await ground.as('acme', async () => {
      const stream = await source.getRepository(Tasks).createQueryBuilder().stream()
      await expect(stream.toArray()).rejects.toMatchObject({ code: 'unsupported' })
      expect(await source.getRepository(Tasks).count()).toBe(2)
    })
  })

  it('says what Postgres said', async () => {
    const twice = ground.as('acme', () => source.getRepository(Projects).insert({ name: 'acme one' }))
    await expect(twice).rejects.toMatchObject({ driverError: { code: '23505', table: 'projects' } })
  })

  it('connects to nothing past the router', async () => {
    expect(await ground.strangers()).toMatchObject({ ...NOBODY, own: expect.toSatisfy((n: number) => n > 1) })
  })
})
