import { vi } from 'vitest'
import type { PoolStats } from '../../../src/router/stats.ts'
import { serverRecord } from '../../registry/records.ts'
import type { World } from '../../support/world.ts'
import { audit } from '../../support/world-records.ts'

/** The smallest piece of work. */
export async function touch(world: World, tenant: string): Promise<void> {
  using lease = await world.lease(tenant)
  await lease.run({ text: 'select 1' })
}

/** Puts tenants on a new server at that address; resolves when they are served there. */
export async function moveTo(
  world: World,
  tenants: readonly string[],
  id: string,
  { host, port }: { host: string; port: number },
): Promise<void> {
  const endpoints = [{ role: 'primary' as const, host, port }]
  const put = { kind: 'server' as const, id, record: serverRecord(id, { endpoints }) }
  await world.registry.commit({ puts: [put], audit: audit(id) }, [{ kind: 'server', id, revision: 0 }])
  for (const tenant of tenants)
    await world.change(tenant, (record) => ({ ...record, epoch: 2, route: { ...record.route, server: id } }))
  const haveMoved = async () => {
    for (const tenant of tenants) await touch(world, tenant)
    const { pools } = world.router.stats()
    const left = ({ idle, leased, cleaning, closing }: PoolStats) => idle + leased + cleaning + closing > 0
    const moving = pools.filter((pool) => tenants.includes(pool.tenant) && pool.server !== id && left(pool))
    if (moving.length > 0) throw new Error(`${moving.length} have not moved to ${id} yet`)
  }
  await vi.waitFor(haveMoved, { timeout: 10_000 })
}
