import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { startWorld, type World } from '../support/world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld(['acme', 'globex'])
})
afterAll(() => world[Symbol.asyncDispose]())

const NOTHING = { cancelled: 0, goingOn: 0, younger: 0, idle: 0 }

/** A statement of the tenant that the server sees running. */
async function slow(tenant: string, text = 'select pg_sleep(20)') {
  const lease = await world.lease(tenant)
  const before = await sleeping(tenant)
  const ended = lease.run({ text, prepare: false }).then(
    () => 'done',
    (error: unknown) => error,
  )
  await vi.waitFor(async () => expect(await sleeping(tenant)).toBe(before + 1))
  return { lease, ended }
}

/** Sessions of the tenant that sleep in the server, as all statements here do. */
async function sleeping(tenant: string): Promise<number> {
  const rows = await world.server.query(
    "select 1 from pg_stat_activity where datname = $1 and wait_event = 'PgSleep'",
    [world.placeOf(tenant).database],
  )
  return rows.length
}

describe('cancelling what a tenant runs', () => {
  it("ends each of its statements as Postgres would, and no other tenant's; leases stay", async () => {
    const [first, second, other] = [await slow('acme'), await slow('acme'), await slow('globex')]
    using idle = await world.lease('acme')
    expect(await world.router.cancel('acme')).toEqual({ ...NOTHING, cancelled: 2, idle: 1 })
    for (const { lease, ended } of [first, second]) {
      expect(await ended).toMatchObject({ code: 'sql_error', sqlstate: '57014' })
      expect((await lease.run({ text: 'select 1 as n' })).rows).toEqual([{ n: 1 }])
      lease.release()
    }
    expect([await sleeping('globex'), idle.isOver]).toEqual([1, false])
    other.lease.release()
    await other.ended
  })

  it('leaves a transaction to whoever began it, who hears that it failed', async () => {
    const sql = world.router.sql('acme')
    const work = sql.begin(async (own) => {
      await own`create table half (n int)`
      await own`select pg_sleep(20)`
    })
    const ended = work.catch((error: unknown) => error)
    await vi.waitFor(async () => expect(await sleeping('acme')).toBe(1))
    expect(await world.router.cancel('acme')).toMatchObject({ cancelled: 1 })
    expect(await ended).toMatchObject({ sqlstate: '57014' })
    expect(await sql`select to_regclass('half') as half`).toEqual([{ half: null }])
  })

  it('spares what has not been running for so long, and knows nothing of a tenant without leases', async () => {
    const { lease, ended } = await slow('acme')
    expect(await world.router.cancel('acme', 60_000)).toEqual({ ...NOTHING, younger: 1 })
    expect(await world.router.cancel('globex')).toEqual(NOTHING)
    lease.release()
    expect(await ended).toMatchObject({ code: 'lease_released' })
  })

  it('says so where SQL catches the cancel and goes on', async () => {
    const stubborn =
      'do $$ begin loop begin perform pg_sleep(20); exception when query_canceled then null; end; end loop; end $$'
    const { lease, ended } = await slow('acme', stubborn)
    expect(await world.router.cancel('acme')).toEqual({ ...NOTHING, goingOn: 1 })
    lease.release()
    await ended
  })
})
