import { randomUUID } from 'node:crypto'
import { expect, it, vi } from 'vitest'
import { createRouter } from '../../src/create-router.ts'
import type { ServiceWorld } from '../http/service-world.ts'
import { change } from '../registry/records.ts'
import { startRegistryService } from '../registry/registry-service.ts'

const seen = { timeout: 10_000, interval: 20 }

type Ground = Awaited<ReturnType<typeof startRegistryService>>

/** The tenant's database bears a stamp of `globex` from now on, and its record expects one of its own. */
async function misplace(ground: Ground, world: ServiceWorld, database: string): Promise<void> {
  const incarnation = randomUUID()
  await world.server.execute(
    `create schema tenantry;
     create table tenantry.stamp as select 'globex' as tenant_id, 1::bigint as generation,
       '${incarnation}'::uuid as incarnation, 'live' as state;
     grant usage on schema tenantry to public;
     grant select on tenantry.stamp to public`,
    database,
  )
  await using registry = await ground.database.open()
  const entry = await registry.find('tenant', 'acme')
  if (!entry) throw new Error('no tenant acme')
  const record = { ...entry.record, epoch: 2, identity: { kind: 'stamp' as const, incarnation } }
  await change(registry, { kind: 'tenant', id: 'acme', record })
}

it('a fence is in the audit of the registry, whether a service or a library put it up', async () => {
  const ground = await startRegistryService()
  const fences = () =>
    ground.database.query(
      `select actor, target, detail->>'why' as why from tenantry_registry.audit where action = 'tenant.fence'`,
    )
  const expected = {
    actor: 'router',
    target: 'acme',
    why: expect.stringContaining('stamp is of tenant globex'),
  }
  await using world = await ground.serve({ TENANTRY_SNAPSHOT_FILE: '' })
  const { key, database } = await world.tenant('acme')
  await misplace(ground, world, database)
  await vi.waitFor(async () => {
    const { json } = await world.ask('/v1/query', { key, body: { sql: 'select 1' } })
    expect(json.code).toBe('identity_mismatch')
  }, seen)
  await vi.waitFor(async () => expect(await fences()).toEqual([expected]), seen)
  // What is fenced stays so, and is not said again.
  await world.ask('/v1/query', { key, body: { sql: 'select 1' } })
  expect(await fences()).toHaveLength(1)

  await using router = await createRouter({ registry: ground.url, masterKey: ground.masterKey })
  await expect(router.sql('acme')`select 1`).rejects.toMatchObject({ code: 'identity_mismatch' })
  await vi.waitFor(async () => expect(await fences()).toEqual([expected, expected]), seen)
})
