import pg from 'pg'
// @ts-expect-error: it brings no types
import Cursor from 'pg-cursor'
import QueryStream from 'pg-query-stream'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { TenantPool, type TenantPoolOptions } from '../../src/pg/tenant-pool.ts'
import { runAsTenant } from '../../src/tenant/tenant-context.ts'
import { parseTenantId } from '../../src/tenant/tenant-id.ts'
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

function open(tenant: string | undefined = 'acme', options: TenantPoolOptions = {}): TenantPool {
  const pool = new TenantPool(world.router, tenant, options)
  pools.push(pool)
  return pool
}

const pidOf = async (on: Pick<pg.Pool, 'query'>) =>
  (await on.query<{ pid: number }>('select pg_backend_pid() as pid')).rows[0]?.pid

describe('query', () => {
  it('takes a callback in each of its forms', async () => {
    const pool = open()
    const client = await pool.connect()
    const text = 'select $1::int as n'
    const answers = await Promise.all([
      called((done) => pool.query('select 1 as n', done)),
      called((done) => pool.query(text, [2], done)),
      called((done) => pool.query({ text, values: [3] }, done)),
      called((done) => client.query({ text, callback: done } as pg.QueryConfig, [4])),
    ])
    expect(answers.map(({ rows }) => rows)).toEqual([[{ n: 1 }], [{ n: 2 }], [{ n: 3 }], [{ n: 4 }]])
    client.release()
    await expect(called((done) => pool.query('selec', done))).rejects.toMatchObject({ code: '42601' })
  })

  it('of one client run one after another, in the order in which they were asked for', async () => {
    const client = await open().connect()
    const drained = vi.fn<() => void>()
    client.on('drain', drained)
    const order: string[] = []
    const asked = ['select pg_sleep(0.05)', 'selec', 'select 1'].map((text) =>
      client.query(text).then(
        () => order.push(text),
        () => order.push(`${text} failed`),
      ),
    )
    await Promise.all(asked)
    client.release()
    expect(order).toEqual(['select pg_sleep(0.05)', 'selec failed', 'select 1'])
    expect(drained).toHaveBeenCalledOnce()
  })

  it('ends at its query_timeout, on the server too, and those behind it run', async () => {
    const pool = open()
    const client = await pool.connect()
    const slow = client.query({ text: 'select pg_sleep(60)', query_timeout: 50 } as pg.QueryConfig)
    const queued = client.query({ text: 'select 1', query_timeout: 20 } as pg.QueryConfig)
    await expect(queued).rejects.toThrow('Query read timeout')
    await expect(slow).rejects.toThrow('Query read timeout')
    expect((await client.query('select 2 as n')).rows).toEqual([{ n: 2 }])
    client.release()
  })

  it('refuses by name what would speak the protocol itself, and says what does it instead', async () => {
    const pool = open()
    const client = await pool.connect()
    const cursor = client.query(new Cursor('select 1'))
    await expect(cursor.read(1)).rejects.toThrow(/^pg-cursor over a TenantPool .+ router\.sql/)
    await cursor.close()
    const stream = client.query(new QueryStream('select 1'))
    await expect(stream.toArray()).rejects.toThrow(/^pg-query-stream over/)
    expect(() => client.query(new pg.Query('select 1'))).toThrow(/^a Query object of pg over/)
    client.release()
    const asked = pool.query(new QueryStream('select 1')) as unknown as Promise<unknown>
    await expect(asked).rejects.toMatchObject({ code: 'unsupported' })
  })

  it.each(['listen news', '/* quietly */ LISTEN news', 'select 1; listen news'])(
    'refuses %j, and the next has nothing of it',
    async (text) => {
      const pool = open()
      await expect(pool.query(text)).rejects.toMatchObject({ code: 'unsupported' })
      expect((await pool.query('select pg_listening_channels()')).rows).toEqual([])
    },
  )

  it('refuses COPY and binary answers', async () => {
    const pool = open()
    const binary = { text: 'select 1', binary: true } as pg.QueryConfig
    for (const query of ['copy notes to stdout', binary])
      await expect(pool.query(query as string)).rejects.toMatchObject({ code: 'unsupported' })
  })
})

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

describe('the pool', () => {
  it('tells of each client: connect, acquire, release, remove; what runs at connect holds for it', async () => {
    const pool = open()
    const told: string[] = []
    for (const event of ['connect', 'acquire', 'remove'] as const) pool.on(event, () => told.push(event))
    pool.on('release', (error) => told.push(`release ${String(error)}`))
    pool.on('connect', (client) => void client.query("set application_name = 'mine'"))
    expect((await pool.query('show application_name')).rows).toEqual([{ application_name: 'mine' }])
    await vi.waitFor(() => expect(told).toContain('remove'))
    expect(told).toEqual(['connect', 'acquire', 'release null', 'remove'])
  })

  it('counts its own leases, and those who wait for one', async () => {
    const pool = open()
    const clients = [await pool.connect(), await pool.connect()]
    const third = pool.connect()
    await vi.waitFor(() => expect(pool.waitingCount).toBe(1))
    expect([pool.totalCount, pool.idleCount]).toEqual([3, 0])
    for (const client of clients) client.release()
    ;(await third).release()
    await vi.waitFor(() => expect([pool.totalCount, pool.waitingCount]).toEqual([0, 0]))
  })

  it('ends when its last client is back, takes no more, and leaves the router as it is', async () => {
    const pool = open()
    const client = await pool.connect()
    const ended = vi.fn<() => void>()
    const ending = pool.end().then(ended)
    await expect(pool.query('select 1')).rejects.toThrow('Cannot use a pool after calling end on the pool')
    expect((await client.query('select 1 as n')).rows).toEqual([{ n: 1 }])
    expect(ended).not.toHaveBeenCalled()
    client.release()
    await ending
    expect((await open().query('select 1 as n')).rows).toEqual([{ n: 1 }])
  })

  it('rejects with what the router refuses', async () => {
    await expect(open('nobody').connect()).rejects.toMatchObject({ code: 'tenant_unknown' })
    expect(() => open('No such')).toThrow(expect.objectContaining({ code: 'invalid_tenant_id' }))
  })

  it('gives no connection to a pool that is made of its options, as for a shadow database', async () => {
    const { options } = open()
    const shadow = new pg.Pool({ ...options, database: 'shadow' })
    await expect(shadow.query('select 1')).rejects.toMatchObject({ code: 'unsupported' })
    await shadow.end()
  })
})

describe('the tenant', () => {
  const [acme, globex] = [parseTenantId('acme'), parseTenantId('globex')]
  const owner = 'select min(tenant) as min, max(tenant) as max from notes'

  it('is the ambient one when a client is asked for, where the pool has none', async () => {
    const pool = new TenantPool(world.router)
    pools.push(pool)
    await expect(pool.query('select 1')).rejects.toMatchObject({ code: 'no_tenant' })
    const asked = Array.from({ length: 200 }, async (_, at) => {
      const tenant = at % 2 ? acme : globex
      const { rows } = await runAsTenant(tenant, () => pool.query(owner))
      expect(rows).toEqual([{ min: tenant, max: tenant }])
    })
    await Promise.all(asked)
  })

  it('of a pool or a client that is not the ambient one is refused, with both names', async () => {
    const pool = open('acme')
    const refusal = { code: 'tenant_mismatch', message: expect.stringMatching(/acme.*globex/) }
    await expect(runAsTenant(globex, () => pool.query(owner))).rejects.toMatchObject(refusal)
    const client = await runAsTenant(acme, () => pool.connect())
    await expect(runAsTenant(globex, () => client.query(owner))).rejects.toMatchObject(refusal)
    client.release()
  })
})

type Done = (error: Error, result: pg.QueryResult) => void

function called(ask: (done: Done) => unknown): Promise<pg.QueryResult> {
  return new Promise((resolve, reject) => {
    ask((error, result) => (error ? reject(error) : resolve(result)))
  })
}
