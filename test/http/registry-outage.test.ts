import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { startServiceWorld } from './service-world.ts'

it('serves known tenants without a registry, keeps the suspended out, and says of others that it cannot know', async () => {
  await using world = await startServiceWorld()
  const acme = await world.tenant('acme')
  const asleep = await world.tenant('asleep')
  const stranger = await world.tenant('stranger')
  await world.operate('/v1/tenants/asleep/suspend', { method: 'POST' })
  const ask = ({ key }: { key: string }) => world.ask('/v1/query', { key, body: { sql: 'select 1 as one' } })
  expect((await ask(acme)).status).toBe(200)
  expect((await ask(asleep)).status).toBe(403)
  const service = (await world.operate('/v1/keys', { body: { scope: { kind: 'service' } } })).json.secret
  const asService = (tenant: string) =>
    world.ask('/v1/query', {
      key: service,
      body: { sql: 'select 1 as one' },
      headers: [['x-tenant-id', tenant]],
    })
  expect((await asService('acme')).status).toBe(200)

  await writeFile(join(world.folder, 'registry.yaml'), 'not: [a registry')

  expect((await ask(acme)).json.rows).toEqual([{ one: 1 }])
  expect((await ask(asleep)).json.code).toBe('tenant_suspended')
  const unknown = { key: `tk_${'a'.repeat(12)}_${'A'.repeat(43)}` }
  const { status, json, headers } = await ask(unknown)
  expect([status, json.code, headers['retry-after']]).toEqual([503, 'registry_unavailable', '2'])
  expect((await asService('acme')).status).toBe(200)
  const nobody = await asService('nobody')
  expect([nobody.status, nobody.json.code]).toEqual([503, 'registry_unavailable'])
  expect([200, 503]).toContain((await ask(stranger)).status)
})
