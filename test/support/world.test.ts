import { describe, expect, it } from 'vitest'
import { sharedPostgres } from './postgres.ts'
import { startWorld } from './world.ts'

describe('a world', () => {
  it('gives each tenant a database of its own that no other tenant may enter', async () => {
    await using world = await startWorld(['acme', 'globex'])
    for (const tenant of ['acme', 'globex']) {
      using lease = await world.lease(tenant)
      const rows = await lease.sql`select distinct tenant, count(*) over () from notes`
      expect(rows[0]).toMatchObject({ tenant })
    }
    const { role, password } = world.placeOf('acme')
    const dsn = world.server.dsn(world.placeOf('globex').database, role, password)
    const { default: pg } = await import('pg')
    await expect(new pg.Client({ connectionString: dsn }).connect()).rejects.toMatchObject({ code: '42501' })
  })

  it('leaves no database and no role behind', async () => {
    const world = await startWorld(['acme'])
    const { database, role } = world.placeOf('acme')
    using lease = await world.lease('acme')
    await lease.sql`select 1`
    lease.release()
    await world[Symbol.asyncDispose]()
    const left = await sharedPostgres().query(
      'select datname from pg_database where datname = $1 union all select rolname from pg_roles where rolname = $2',
      [database, role],
    )
    expect(left).toEqual([])
  })
})
