import { expect, it, vi } from 'vitest'
import { trailOf } from './conformance-trail.ts'
import { startRegistryService } from './registry-service.ts'

const soon = { timeout: 5_000, interval: 20 }

it('a management Postgres without room for an audit entry fails every change whole, and no tenant feels it', async () => {
  const ground = await startRegistryService()
  await using world = await ground.serve({ TENANTRY_SNAPSHOT_FILE: '' })
  const { key } = await world.tenant('acme')
  const dsn = await world.database()
  const ask = () => world.ask('/v1/query', { key, body: { sql: 'select 1 as one' } })
  expect((await ask()).status).toBe(200)
  const held = () =>
    ground.database.query(
      `select (select json_agg(e order by kind, id) from tenantry_registry.entry e) as entries,
         (select revision from tenantry_registry.registry), (select count(*) from tenantry_registry.audit) as audit`,
    )

  await ground.database.query(
    `create function tenantry_registry.full() returns trigger language plpgsql as
       $$ begin raise exception 'No space left on device' using errcode = '53100'; end $$;
     create trigger is_full before insert on tenantry_registry.audit
       for each row execute function tenantry_registry.full()`,
  )
  const before = await held()
  const changes = [
    () => world.operate('/v1/tenants', { body: { id: 'globex', route: { dsn } } }),
    () => world.operate('/v1/keys', { body: { scope: { kind: 'tenant', tenant: 'acme' } } }),
    () => world.operate('/v1/tenants/acme', { method: 'PATCH', body: { labels: { plan: 'pro' } } }),
    () => world.operate('/v1/tenants/acme/check', { method: 'POST' }),
    () => world.operate(`/v1/keys/${key.slice(3, 15)}`, { method: 'DELETE' }),
  ]
  for (const change of changes) {
    const { status, json } = await change()
    expect([status, json.code]).toEqual([503, 'registry_unavailable'])
    expect((await ask()).status).toBe(200)
  }
  expect(await held()).toEqual(before)

  await ground.database.query('drop trigger is_full on tenantry_registry.audit')
  expect((await world.operate('/v1/tenants', { body: { id: 'globex', route: { dsn } } })).status).toBe(201)
  await using registry = await ground.database.open()
  await vi.waitFor(async () => {
    const { entries } = await trailOf(registry, { tenant: 'globex' })
    expect(entries.map(({ audit }) => audit?.action)).toEqual(['tenant.register'])
  }, soon)
})
