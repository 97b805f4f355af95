import type pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { TenantPool, type TenantPoolOptions } from '../../src/pg/tenant-pool.ts'
import { startWorld, type World } from '../support/world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld(['acme', 'globex'], { maxConnectionsPerTenant: 2 })
})
afterAll(() => world[Symbol.asyncDispose]())

const pools: TenantPool[] = []
afterEach(async () => {
  await Promise.all(pools.splice(0).map(async (pool) => pool.ending || (await pool.end())))
})

function open(tenant = 'acme', options: TenantPoolOptions = {}): TenantPool {
  const pool = new TenantPool(world.router, tenant, options)
  pools.push(pool)
  return pool
}

const pidOf = async (on: Pick<pg.Pool, 'query'>) =>
  (await on.query<{ pid: number }>('select pg_backend_pid() as pid')).rows[0]?.pid

describe('a client', () => {
  it('is one session until it is released: transactions go by their texts', async () => {
    const pool = open()
    const client = await pool.connect()
    await client.query('begin')
    expect(client.getTransactionStatus()).toBe('T')
    await client.query('insert into notes values (101, $1, $2)', ['acme', 'in doubt'])
    const read = () => pool.query('select body from notes where id = 101')
    expect((await read()).rowCount).toBe(0)
    await client.query('commit')
    client.release()
    expect((await read()).rows).toEqual([{ body: 'in doubt' }])
    await pool.query('delete from notes where id = 101')
  })

  it('comes by callback too, with what gives it back, and knows its process', async () => {
    const pool = open()
    await new Promise<void>((resolve, reject) => {
      pool.connect((error, client, done) => {
        if (error || !client) return reject(error)
        client.query('select pg_backend_pid() as pid', (failed, result) => {
          if (failed) return reject(failed)
          expect(result.rows).toEqual([{ pid: Reflect.get(client, 'processID') }])
          done()
          resolve()
        })
      })
    })
    expect(pool.totalCount).toBe(0)
  })

  it('leaves nothing to the next: no transaction, no setting', async () => {
    const pool = open()
    const client = await pool.connect()
    await client.query("begin; set work_mem = '77MB'; insert into notes values (102, 'acme', 'never')")
    client.release()
    const next = await pool.connect()
    expect(await pidOf(next)).toBeDefined()
    expect((await next.query('show work_mem')).rows).not.toEqual([{ work_mem: '77MB' }])
    expect((await next.query('select from notes where id = 102')).rowCount).toBe(0)
    next.release()
  })

  it('answers what it was asked before its release, and refuses what comes after', async () => {
    const client = await open().connect()
    const [slow, asked] = [client.query('select pg_sleep(0.02)'), client.query('select 1 as n')]
    client.release()
    await expect(client.query('select 2')).rejects.toMatchObject({ code: 'lease_released' })
    await slow
    expect((await asked).rows).toEqual([{ n: 1 }])
    expect(() => client.release()).toThrow('Release called on client which has already been released')
  })

  it('is closed where it is released with true, and used again otherwise', async () => {
    const pool = open('globex')
    const pids: unknown[] = []
    for (const end of [undefined, new Error('mine'), true, undefined]) {
      const client = await pool.connect()
      pids.push(await pidOf(client))
      client.release(end)
    }
    expect(pids[1]).toBe(pids[0])
    expect(pids[2]).toBe(pids[0])
    expect(pids[3]).not.toBe(pids[0])
  })

  it('tells of notices', async () => {
    const client = await open().connect()
    const heard = vi.fn<(notice: object) => void>()
    client.on('notice', heard)
    await client.query("do $$ begin raise notice 'so %', 1 using detail = 'd'; end $$")
    await vi.waitFor(() => expect(heard).toHaveBeenCalledOnce())
    expect(heard.mock.calls[0]?.[0]).toMatchObject({
      name: 'notice',
      severity: 'NOTICE',
      message: 'so 1',
      detail: 'd',
      length: expect.any(Number),
    })
    client.release()
  })
})

describe('a client that loses its connection', () => {
  it('at the deadline of its lease tells of it, and leaves the pool though nobody released it', async () => {
    const pool = open('acme', { leaseTimeoutMs: 100 })
    const client = await pool.connect()
    const heard = vi.fn<(error: Error) => void>()
    client.on('error', heard)
    const running = client.query('select pg_sleep(60)')
    await expect(running).rejects.toMatchObject({ code: 'lease_expired' })
    await vi.waitFor(() =>
      expect(heard).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ code: 'lease_expired' })),
    )
    await expect(client.query('select 1')).rejects.toMatchObject({ code: 'lease_released' })
    expect(pool.totalCount).toBe(0)
    await pool.end()
    client.release() // as in the finally of whoever had it
    expect(() => client.release()).toThrow('already been released')
  })

  it('by the server does not end the process, whether or not anybody listens', async () => {
    const pool = open()
    const [deaf, hearing] = [await pool.connect(), await pool.connect()]
    const heard = vi.fn<(error: Error) => void>()
    hearing.on('error', heard)
    const running = hearing.query('select pg_sleep(60)')
    await world.server.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [
      world.placeOf('acme').database,
    ])
    await expect(running).rejects.toMatchObject({ code: 'outcome_unknown' })
    await vi.waitFor(() => expect(heard).toHaveBeenCalledOnce())
    await vi.waitFor(() => expect(pool.totalCount).toBe(0))
    await expect(deaf.query('select 1')).rejects.toMatchObject({ code: 'lease_released' })
    deaf.release()
    hearing.release()
    expect((await pool.query('select 1 as n')).rows).toEqual([{ n: 1 }])
  })

  it('under a statement of the pool says that nobody knows what it has done', async () => {
    const asked = open().query('select pg_terminate_backend(pg_backend_pid()), pg_sleep(60)')
    await expect(asked).rejects.toMatchObject({ code: 'outcome_unknown' })
  })

  it('by the end of the router hears of that', async () => {
    await using other = await startWorld(['initech'], { acquireTimeoutMs: 50, drainTimeoutMs: 50 })
    const pool = new TenantPool(other.router, 'initech', { acquireTimeoutMs: 10_000 })
    const client = await pool.connect()
    const heard = vi.fn<(error: Error) => void>()
    client.on('error', heard)
    await other.router.close()
    await vi.waitFor(() =>
      expect(heard).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ code: 'router_closed' })),
    )
    await expect(pool.query('select 1')).rejects.toMatchObject({ code: 'router_closed' })
    await pool.end()
  })
})
