import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CancelledError, InvalidRequestError, SqlError, TenantUnknownError } from '../../src/errors.ts'
import type { Registry } from '../../src/registry/registry.ts'
import { AppRouter } from '../../src/router/app-router.ts'
import { currentTenant } from '../../src/tenant/tenant-context.ts'
import { startWorld, type World } from '../support/world.ts'

const LODGERS = Array.from({ length: 20 }, (_, n) => `t-${String(n).padStart(2, '0')}`)
const ALL = ['acme', 'globex', ...LODGERS].toSorted()

let world: World
beforeAll(async () => {
  world = await startWorld(['acme', 'globex'], { lodgers: LODGERS, maxConnections: 20 })
  await world.change('globex', (record) => ({ ...record, labels: { plan: 'pro' } }))
  await world.change('t-07', (record) => ({ ...record, status: 'suspended' }))
})
afterAll(() => world[Symbol.asyncDispose]())

const openConnections = () => world.router.stats().connections.out

describe('tenants()', () => {
  it('names those a selector means, and opens nothing', async () => {
    const seen: unknown[] = []
    for await (const { id, labels } of world.router.tenants({ labels: { plan: 'pro' } }))
      seen.push([id, labels])
    expect(seen).toEqual([['globex', { plan: 'pro' }]])
    const ids: string[] = []
    for await (const { id } of world.router.tenants({ all: true })) ids.push(id)
    expect(ids).toEqual(ALL)
    expect(openConnections()).toBe(0)
  })

  it('tells nothing of where a tenant is, nor its secrets', async () => {
    for await (const tenant of world.router.tenants({ tenants: ['acme'] }))
      expect(Object.keys(tenant)).toEqual(['id', 'generation', 'status', 'origin', 'labels', 'schemaVersion'])
  })

  it('reads the registry page by page, as it is asked', async () => {
    const pages: (string | undefined)[] = []
    const registry: Registry = Object.assign(Object.create(world.registry), {
      list: (kind: 'tenant', cursor?: string) => {
        pages.push(cursor)
        return world.registry.list(kind, cursor, { limit: 5 })
      },
    })
    const { opener } = world
    const backends = { open: opener.open.bind(opener), confirmGone: opener.confirmGone.bind(opener) }
    await using router = new AppRouter({ directory: world.directory, registry, backends })
    const tenants = router.tenants({ all: true })
    for (let n = 0; n < 7; n++) await tenants.next()
    expect(pages).toEqual([undefined, ALL[4]])
  })
})

describe('forEachTenant()', () => {
  it('runs for each on a batch lease of its own, as the ambient tenant', async () => {
    const seen: string[] = []
    const report = await world.router.forEachTenant({ tenants: ['acme', 'globex'] }, async (sql, { id }) => {
      const [row] = await sql`select distinct tenant from notes`
      seen.push(`${id} ${row?.['tenant']} ${currentTenant()}`)
    })
    expect(report).toEqual({ done: 2, failed: [] })
    expect(seen.toSorted()).toEqual(['acme acme acme', 'globex globex globex'])
  })

  it('works at so many at once, and no more', async () => {
    let [atWork, most] = [0, 0]
    const report = await world.router.forEachTenant(
      { status: 'active' },
      async (sql) => {
        most = Math.max(most, ++atWork)
        await sql`select pg_sleep(0.01)`
        atWork--
      },
      { concurrency: 3 },
    )
    expect(report).toEqual({ done: ALL.length - 1, failed: [] })
    expect(most).toBe(3)
  })

  it('goes on past those that fail where it was told to, and reports them', async () => {
    const report = await world.router.forEachTenant(
      { all: true },
      async (sql, { id }) => {
        if (id === 't-03') await sql`select 1 / 0`
      },
      { continueOnError: true },
    )
    expect(report.done).toBe(ALL.length - 2)
    expect(report.failed.toSorted((a, b) => (a.tenant < b.tenant ? -1 : 1))).toEqual([
      { tenant: 't-03', error: expect.objectContaining({ code: '22012' }) },
      { tenant: 't-07', error: expect.objectContaining({ code: 'tenant_suspended' }) },
    ])
  })

  it('begins none after the first that fails, waits for those under way, and names who failed', async () => {
    const begun: string[] = []
    const ended: string[] = []
    const sweep = world.router.forEachTenant(
      { status: 'active' },
      async (sql, { id }) => {
        begun.push(id)
        if (id === 't-00') throw new SqlError({ code: 'XX000', message: 'mine' })
        await sql`select pg_sleep(0.02)`
        ended.push(id)
      },
      { concurrency: 3 },
    )
    const error = await sweep.catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(AggregateError)
    expect(error).toMatchObject({
      message: `1 tenants failed (t-00), ${ended.length} were done`,
      errors: [{ sqlstate: 'XX000' }],
    })
    expect(begun.length).toBeLessThan(8)
    expect(ended.toSorted()).toEqual(begun.filter((id) => id !== 't-00').toSorted())
  })

  it('ends at its signal: those at work end by themselves, and no other is begun', async () => {
    const abort = new AbortController()
    const begun: string[] = []
    const ended: string[] = []
    const sweep = world.router.forEachTenant(
      { status: 'active' },
      async (sql, { id }) => {
        begun.push(id)
        if (begun.length === 2) abort.abort()
        await sql`select pg_sleep(0.02)`
        ended.push(id)
      },
      { concurrency: 2, signal: abort.signal },
    )
    await expect(sweep).rejects.toBeInstanceOf(CancelledError)
    expect(begun).toHaveLength(2)
    expect(ended).toHaveLength(2)
  })

  it('refuses selectors and options that say nothing, before the first tenant', async () => {
    const work = () => expect.unreachable()
    await expect(world.router.forEachTenant({}, work)).rejects.toBeInstanceOf(InvalidRequestError)
    await expect(world.router.forEachTenant({ all: true }, work, { concurrency: 0 })).rejects.toBeInstanceOf(
      InvalidRequestError,
    )
    await expect(world.router.forEachTenant({ tenants: ['acme', 'nobody'] }, work)).rejects.toBeInstanceOf(
      TenantUnknownError,
    )
  })
})
