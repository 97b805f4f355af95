import { expect, vi } from 'vitest'
import type { World } from '../support/world.ts'

/** Closes what is idle, and waits until the server has let go of the rest. */
export async function settle(world: World): Promise<void> {
  await vi.waitFor(
    async () => {
      for (const tenant of world.places.keys()) world.router.evict(tenant)
      const { connections, waiters, pools } = world.router.stats()
      expect({ out: connections.out, waiters, pools, sessions: await world.sessions() }).toEqual({
        out: 0,
        waiters: 0,
        pools: [],
        sessions: 0,
      })
    },
    { timeout: 20_000, interval: 50 },
  )
}

/** Of all servers, with those of connections in quarantine, which the process itself counts no more. */
export function permitsOut(world: World): number {
  return world.router.stats().servers.reduce((sum, { out }) => sum + out, 0)
}
