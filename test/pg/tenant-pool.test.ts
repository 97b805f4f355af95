import pg from 'pg'
// @ts-expect-error: it brings no types
import Cursor from 'pg-cursor'
import QueryStream from 'pg-query-stream'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { TenantPool, type TenantPoolOptions } from '../../src/pg/tenant-pool.ts'
import { currentTenant, runAsTenant } from '../../src/tenant/tenant-context.ts'
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

  it('is the ambient one in listeners of its client, too', async () => {
    const pool = new TenantPool(world.router, undefined, { leaseTimeoutMs: 200 })
    pools.push(pool)
    const heard: unknown[] = []
    await Promise.all(
      [acme, globex].map((tenant) =>
        runAsTenant(tenant, async () => {
          const client = await pool.connect()
          const hear = (event: string) => () => heard.push(`${event} ${tenant} ${currentTenant()}`)
          for (const event of ['notice', 'drain', 'error', 'end'] as const) client.on(event, hear(event))
          await client.query("do $$ begin raise notice 'n'; end $$")
        }),
      ),
    )
    await vi.waitFor(() => expect(heard).toHaveLength(8))
    const each = (tenant: string) =>
      ['notice', 'drain', 'error', 'end'].map((event) => `${event} ${tenant} ${tenant}`)
    expect(heard).toHaveLength(8)
    expect(new Set(heard)).toEqual(new Set([...each('acme'), ...each('globex')]))
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
