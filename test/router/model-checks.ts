import assert from 'node:assert/strict'
import { STALLED_MS } from '../../src/router/pool/opener.ts'
import type { Slot } from '../../src/router/pool/slot.ts'
import type { TenantPool } from '../../src/router/pool/tenant-pool.ts'
import type { ModelConnection } from './model-connection.ts'
import type { ModelWorld } from './model-world.ts'

export function connectionOf(slot: Slot): ModelConnection {
  // The world's scheduler opens no other.
  return slot.connection as ModelConnection
}

/** What holds whenever nothing more happens by itself. */
export function checkWorld(world: ModelWorld): void {
  const { scheduler, limits, servers } = world
  const pools = [...scheduler.pools]
  const slots = pools.flatMap((pool) => [...pool.slots])
  // What only a server keeps is counted there alone.
  const ours = slots.filter(({ state }) => state !== 'quarantined')
  checkPermits(ours, 'process', limits.process, scheduler.budget.out('process'))
  for (const server of ['even', 'odd']) {
    const own = slots.filter(({ pool }) => pool.server.id === server)
    checkPermits(own, server, limits.server, scheduler.budget.out('server', server))
    const openings = servers.openings.filter((opening) => opening.server === server).length
    assert.ok(openings <= limits.maxOpeningPerServer, `${openings} openings on ${server}`)
  }
  for (const tenant of new Set(pools.map(({ id }) => id))) {
    const own = ours.filter(({ pool }) => pool.id === tenant)
    checkPermits(own, tenant, limits.tenant, scheduler.budget.out('tenant', tenant))
  }
  const quick = servers.openings.filter(({ startedAt }) => performance.now() - startedAt < STALLED_MS)
  assert.ok(quick.length <= limits.maxOpening, `${quick.length} openings`)
  checkSockets(world, slots)
  for (const pool of pools) checkPool(pool)
  checkBatch(world)
  for (const { slot } of world.leased) {
    if (!slot || world.phase === 'cut') continue
    assert.equal(connectionOf(slot).endedByUs, undefined, 'a leased connection was closed')
  }
}

function checkPermits(slots: readonly Slot[], scope: string, limit: number, out: number): void {
  assert.equal(out, slots.length, `permits out of ${scope}`)
  assert.ok(out <= limit, `${out} permits out of ${scope}`)
}

/** Every permit is an opening's, a socket's or a backend's that may live on, and there is none of these without one. */
function checkSockets({ servers, phase }: ModelWorld, slots: readonly Slot[]): void {
  const opening = slots.filter(({ state }) => state === 'opening')
  assert.equal(servers.openings.length, opening.length, 'openings')
  const quarantined = slots.filter(({ state }) => state === 'quarantined').map(connectionOf)
  assert.ok(quarantined.every(({ hasSocket, mayLiveOn }) => !hasSocket && mayLiveOn))
  const suspects = new Set(quarantined.map(({ pid }) => pid))
  const kept = phase === 'open' ? servers.orphans : []
  for (const pid of kept) assert.ok(suspects.has(pid), `backend ${pid} lives on without a permit`)
  const open = slots.filter(({ state }) => state !== 'opening' && state !== 'quarantined').map(connectionOf)
  const sockets = new Set([...servers.backends].map(({ connection }) => connection))
  assert.equal(open.length, sockets.size, 'sockets')
  assert.ok(
    open.every((connection) => sockets.has(connection)),
    'a permit without its socket',
  )
}

function checkPool(pool: TenantPool): void {
  const slots = [...pool.slots]
  for (const state of ['opening', 'idle', 'leased', 'cleaning', 'closing', 'quarantined'] as const) {
    assert.equal(pool.census.of(state), slots.filter((slot) => slot.state === state).length)
  }
  assert.deepEqual(new Set(pool.idleSlots), new Set(slots.filter(({ state }) => state === 'idle')))
  for (const { request } of pool.waiters) {
    if (request.class === 'batch') continue
    const fits = pool.idleSlots.filter(
      ({ trust, connection }) => trust === request.trust && connection.isOpen,
    )
    assert.deepEqual(fits, [], 'a caller waits though an idle connection fits')
  }
}

/** Batch leases have at most their share of every budget. */
export function checkBatch({ leased, limits, serverOf }: ModelWorld): void {
  const batch = leased.filter(({ ask }) => ask.class === 'batch')
  checkShare(batch.length, limits.process, 'process')
  for (const { ask } of batch) {
    const ofTenant = batch.filter((other) => other.ask.tenant === ask.tenant)
    checkShare(ofTenant.length, limits.tenant, ask.tenant)
    const server = serverOf(ask.tenant)
    const onServer = batch.filter((other) => serverOf(other.ask.tenant) === server)
    checkShare(onServer.length, limits.server, server)
  }
}

function checkShare(out: number, limit: number, scope: string): void {
  assert.ok(out <= Math.max(1, Math.round(limit * 0.2)), `${out} batch leases in ${scope}`)
}
