import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, it, vi } from 'vitest'
import { TenantryError } from '../../src/errors.ts'
import { type FaultMode, startFaultProxy } from '../support/fault-proxy.ts'
import { sharedPostgres } from '../support/postgres.ts'
import { resourcesOfAWorld, resourcesSettledTo } from '../support/resources.ts'
import { unhandledIn } from '../support/unhandled.ts'
import { startWorld, type World } from '../support/world.ts'

const TENANTS = ['acme', 'globex', 'initech', 'umbrella']
const CALLERS = 40
const FAULTS: readonly FaultMode[] = ['reset', 'accept-close', 'black-hole', 'refuse', 'half-open', 'slow']
const ROUNDS = 2
const SLACK_BYTES = 4_000_000

setFlagsFromString('--expose-gc')
const collect: () => void = runInNewContext('gc')

function heapUsed(): number {
  for (let i = 0; i < 3; i++) collect()
  return process.memoryUsage().heapUsed
}

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

/** Closes what is idle, and waits until the server has let go of the rest. */
async function settle(world: World): Promise<void> {
  await vi.waitFor(
    async () => {
      for (const tenant of TENANTS) world.router.evict(tenant)
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

it('holds no more sockets, timers, waiters and memory after a storm of faults than before', async () => {
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
    // What is loaded, compiled and cached once is no leak of memory.
    await storm(world, proxy)
    await settle(world)
    const heap = heapUsed()
    for (let round = 1; round < ROUNDS; round++) await storm(world, proxy)
    await settle(world)
    // Its own sockets would count: of clients that it never told, it holds the other ends.
    await proxy.close()
    expect(await resourcesSettledTo(before)).toEqual(before)
    expect(heapUsed()).toBeLessThan(heap + SLACK_BYTES)
  })
  expect(unhandled).toEqual([])
}, 180_000)
