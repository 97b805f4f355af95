import { expect, it } from 'vitest'
import { startWorld } from '../support/world.ts'

it('a thousand callers for a cold tenant cost one read of it and no more connections than it may have', async () => {
  await using world = await startWorld(['acme'], { maxConnectionsPerTenant: 4, acquireTimeoutMs: 15_000 })
  const opened: unknown[] = []
  world.router.on('opened', (event) => opened.push(event))
  const one = async () => {
    using lease = await world.lease('acme')
    await lease.sql`select 1`
  }
  await Promise.all(Array.from({ length: 1_000 }, one))
  // The tenant, and the server that it is on.
  expect(world.directory.stats()).toMatchObject({ reads: 2, failures: 0 })
  expect(opened.length).toBeLessThanOrEqual(4)
  expect(await world.sessionsOf('acme')).toBeLessThanOrEqual(4)
})
