import { sql as raw } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/postgres-js'
import { Hono } from 'hono'
import { createRouter, parseTenantId, runAsTenant } from 'tenantry'
import { apiKey, host, type TenancyEnv, tenancy } from 'tenantry/hono'
import { TenantPool } from 'tenantry/pg'
import { expect, it, vi } from 'vitest'
import { keyOf } from '../http/tenancy/ground.ts'
import { startWorld } from '../support/world.ts'

const schema = {}
const whose = 'select distinct tenant from notes'

/** It has no database to open here; its types are those of the lines that follow. */
const opened = (masterKey: string) => createRouter({ registry: 'postgres://…', masterKey })

it('each line of the face of the library does what it says, as it stands', async () => {
  await using world = await startWorld(['acme', 'globex'])
  const router: Awaited<ReturnType<typeof opened>> = world.router
  const { signal } = new AbortController()
  const acmes = [{ tenant: 'acme' }]

  expect(await router.withTenant('acme', (sql) => sql`select distinct tenant from notes`)).toEqual(acmes)
  const written = router.transaction('acme', { readOnly: true }, async (sql) => {
    await sql`insert into notes values (99, 'acme', 'none')`
  })
  await expect(written).rejects.toMatchObject({ code: '25006' })

  const db = drizzle(router.sql(), { schema })
  const ambient = await runAsTenant(parseTenantId('globex'), async () => await db.execute(raw.raw(whose)))
  expect([...ambient]).toEqual([{ tenant: 'globex' }])
  const acme = drizzle(router.sql('acme'))
  expect([...(await acme.execute(raw.raw(whose)))]).toEqual(acmes)

  {
    using lease = await router.lease('acme', { signal })
    expect(await lease.sql.unsafe(whose)).toEqual(acmes)
  }

  const pool = new TenantPool(router, 'acme')
  expect((await pool.query(whose)).rows).toEqual(acmes)
  await pool.end()

  const app = new Hono<TenancyEnv>()
  app.use(tenancy({ router, resolve: [apiKey(), host('example.com')] }))
  app.get('/', async (c) => c.json([c.var.tenant, await c.var.sql.unsafe(whose)]))
  const headers = { authorization: `Bearer ${await keyOf(world, 'acme')}` }
  const answer = await app.request('http://acme.example.com/', { headers })
  expect(await answer.json()).toEqual(['acme', acmes])

  const evicted: string[] = []
  router.on('evicted', ({ tenant }) => void evicted.push(tenant))
  expect(router.stats().pools.map(({ tenant }) => tenant)).toContain('acme')
  expect(router.evict('acme')).toBeGreaterThan(0)
  await vi.waitFor(() => expect(evicted).toEqual(['acme']))
  await router.close()
  await expect(router.lease('acme')).rejects.toMatchObject({ code: 'router_closed' })
})
