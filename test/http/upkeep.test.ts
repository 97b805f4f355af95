import { expect, it, vi } from 'vitest'
import { OperatedWorld } from './operated-world.ts'

it('A service that runs makes spare databases again where tenants took them, without being asked', async () => {
  await using world = await OperatedWorld.start()
  const { service } = world
  const added = await service.operate('/v1/servers', { body: { id: 'main', dsn: world.adminDsn } })
  expect(added.status).toBe(201)
  const spares = await service.operate('/v1/servers/main/spares', { body: { count: 1 } })
  expect(spares.json).toMatchObject({ ready: 1, made: 1 })
  const created = await service.operate('/v1/tenants', { body: { id: 'acme' } })
  expect(created.status).toBe(201)
  await vi.waitFor(
    () =>
      expect(world.audited()).toContainEqual(
        expect.objectContaining({ actor: 'spares', action: 'fleet.spare.done' }),
      ),
    { timeout: 20_000, interval: 100 },
  )
  expect((await service.operate('/v1/servers/main')).json.server.spares).toEqual({ ready: 1, count: 1 })
})
