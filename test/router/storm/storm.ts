import { expect, it, vi } from 'vitest'
import { TenantryError } from '../../../src/errors.ts'
import { type FaultMode, startFaultProxy } from '../../support/fault-proxy.ts'
import { heapUsed } from '../../support/heap.ts'
import { sharedPostgres } from '../../support/postgres.ts'
import { resourcesOfAWorld, resourcesSettledTo } from '../../support/resources.ts'
import { unhandledIn } from '../../support/unhandled.ts'
import { startWorld, type World } from '../../support/world.ts'
import { settle } from '../settle.ts'

const TENANTS = ['acme', 'globex', 'initech', 'umbrella']
const CALLERS = 40
const FAULTS: readonly FaultMode[] = ['reset', 'accept-close', 'black-hole', 'refuse', 'half-open', 'slow']
/** Over all rounds together. */
const SLACK_BYTES = 4_000_000

/** One statement each, whatever becomes of it; resolves how many were answered. */
async function useAll(world: World): Promise<number> {
  const uses = Array.from({ length: CALLERS }, async (_, n) => {
    using lease = await world.lease(TENANTS[n % TENANTS.length] ?? 'acme')
    await lease.run({ text: `select pg_sleep(0.02), repeat('x', 10000)` })
  })
  const outcomes = await Promise.allSettled(uses)
  for (const outcome of outcomes) {
    if (outcome.status === 'rejected') expect(outcome.reason).toBeInstanceOf(TenantryError)
  }
  return outcomes.filter(({ status }) => status === 'fulfilled').length
}

async function storm(world: World, proxy: Awaited<ReturnType<typeof startFaultProxy>>): Promise<void> {
  for (const fault of FAULTS) {
    const inUse = useAll(world)
    await vi.waitUntil(
      () => world.router.stats().connections.leased > 0 || world.router.stats().waiters === 0,
    )
    await proxy.setMode(fault)
    await Promise.all([inUse, useAll(world)])
    await proxy.setMode('pass')
    await vi.waitFor(async () => expect(await useAll(world)).toBe(CALLERS), { timeout: 15_000, interval: 50 })
  }
}

/** @param rounds beside the one that comes first, which loads, compiles and caches what is needed once. */
export function describeStorm(rounds: number): void {
  it(`holds no more sockets, timers, waiters and memory after ${rounds} storms of faults than before`, async () => {
    const server = sharedPostgres()
    await using proxy = await startFaultProxy(server)
    await using world = await startWorld(TENANTS, {
      server,
      address: proxy,
      maxConnections: 8,
      acquireTimeoutMs: 400,
      leaseTimeoutMs: 600,
      statementTimeoutMs: 500,
      connectTimeoutMs: 300,
    })
    const unhandled = await unhandledIn(async () => {
      const before = await resourcesOfAWorld()
      await storm(world, proxy)
      await settle(world)
      const heap = heapUsed()
      for (let round = 0; round < rounds; round++) await storm(world, proxy)
      await settle(world)
      // Its own sockets would count: of clients that it never told, it holds the other ends.
      await proxy.close()
      expect(await resourcesSettledTo(before)).toEqual(before)
      const grownBytes = heapUsed() - heap
      process.stdout.write(`storm: ${JSON.stringify({ rounds, grownBytes })}\n`)
      expect(grownBytes).toBeLessThan(SLACK_BYTES)
    })
    expect(unhandled).toEqual([])
  }, 1_800_000)
}
