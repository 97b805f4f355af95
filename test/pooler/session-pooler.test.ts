import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type PooledWorld, startPooledWorld } from './pooled-world.ts'

describe('a tenant behind a session pooler', () => {
  let ground: PooledWorld
  beforeAll(async () => {
    ground = await startPooledWorld(['acme', 'globex', 'initech'], {
      poolMode: 'session',
      statementTimeoutMs: 400,
    })
  })
  afterAll(() => ground[Symbol.asyncDispose]())

  it('has every setting that a direct connection has, whatever its role has set for itself', async () => {
    const { world, router } = ground
    const { role } = world.placeOf('acme')
    await world.server.execute(`alter role ${role} set bytea_output = 'escape'`)
    await world.server.execute(`alter role ${role} set timezone = 'Asia/Tokyo'`)
    const settings = (sql = router.sql('acme')) => sql`
      select current_setting('bytea_output') as bytea, current_setting('timezone') as zone,
             current_setting('statement_timeout') as timeout, '\\x00ff'::bytea as bytes`
    const expected = [{ bytea: 'hex', zone: 'UTC', timeout: '400ms', bytes: Buffer.from([0, 255]) }]
    expect(await settings()).toEqual(expected)
    await router.sql('acme')`set bytea_output = 'escape'`
    expect(await settings()).toEqual(expected)
  })

  it('has a session for as long as it is leased, and prepared statements', async () => {
    using lease = await ground.router.lease('globex')
    await lease.sql`set application_name = 'mine'`
    const [first] =
      await lease.sql`select pg_backend_pid() as pid, current_setting('application_name') as name`
    const [again] =
      await lease.sql`select pg_backend_pid() as pid, count(*)::int as n from pg_prepared_statements`
    expect(first?.['name']).toBe('mine')
    expect(again).toMatchObject({ pid: first?.['pid'], n: expect.any(Number) })
    expect(Number(again?.['n'])).toBeGreaterThan(0)
  })

  it('is held to its time limit by the server itself, and goes on', async () => {
    const sql = ground.router.sql('initech')
    await expect(sql`select pg_sleep(30)`).rejects.toMatchObject({ code: '57014' })
    expect(await sql`select tenant from notes limit 1`).toEqual([{ tenant: 'initech' }])
  })

  it('runs no SQL of tenant keys', async () => {
    await expect(ground.router.lease('acme', { trust: 'foreign' })).rejects.toMatchObject({
      code: 'unsupported',
    })
  })
})
