import { expect } from 'vitest'
import { startRegistryService, untilReady } from './registry-service.ts'

/**
 * A service that is started while its registry is down lives, is not ready and tries on; when the registry is back, it is
 * ready. @returns the milliseconds that took.
 */
export async function becomesReady(mode: 'refuse' | 'black-hole'): Promise<number> {
  const unknownKey = `tk_${'a'.repeat(12)}_${'A'.repeat(43)}`
  const ground = await startRegistryService()
  await ground.proxy.setMode(mode)
  await using world = await ground.serve({ TENANTRY_SNAPSHOT_FILE: '' })
  const query = () => world.ask('/v1/query', { key: unknownKey, body: { sql: 'select 1 as one' } })
  expect((await world.operate('/readyz')).json).toEqual({ status: 'starting' })
  expect((await world.operate('/livez')).status).toBe(200)
  const refused = await query()
  expect([refused.status, refused.json.code]).toEqual([503, 'registry_unavailable'])
  expect((await world.operate('/v1/tenants')).json.code).toBe('registry_unavailable')
  await ground.proxy.setMode('pass')
  const ms = await untilReady(world)
  expect((await query()).status).toBe(401)
  expect((await world.operate('/v1/tenants')).status).toBe(200)
  expect(world.logLines.filter((line) => line.includes('"msg":"ready"'))).toHaveLength(1)
  return ms
}
