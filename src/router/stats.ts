import type { TenantId } from '../tenant/tenant-id.ts'
import type { Breakers } from './breaker/breakers.ts'
import type { BreakerState } from './breaker/server-breaker.ts'
import type { ResolvedRouterOptions } from './options.ts'
import type { SlotState } from './pool/census.ts'
import type { TenantPool } from './pool/tenant-pool.ts'
import type { Scheduler } from './scheduling/scheduler.ts'

export type ConnectionCounts = Record<SlotState, number>

export interface PoolStats extends ConnectionCounts {
  readonly tenant: TenantId
  readonly server: string
  readonly epoch: number
  readonly waiting: number
  readonly isDraining: boolean
  /** Milliseconds since a lease began. */
  readonly idleMs: number
  /** Smoothed milliseconds that a lease is out. */
  readonly serviceMs: number
}

/**
 * A snapshot: its numbers belong to one instant. `out` is the permits out: of a server the sum of all states, of the
 * process that without `quarantined`, which its servers keep.
 */
export interface RouterStats {
  readonly connections: ConnectionCounts & { readonly limit: number; readonly out: number }
  readonly servers: readonly (ConnectionCounts & {
    readonly server: string
    readonly limit: number
    readonly out: number
    /** Whether new connections are opened: not while `open`, but for a probe a second. */
    readonly breaker: BreakerState
  })[]
  readonly pools: readonly PoolStats[]
  readonly poolsLimit: number
  readonly waiters: number
}

/** Servers are those that have a pool, or a breaker that is not closed. */
export function snapshot(
  scheduler: Scheduler,
  breakers: Breakers,
  options: ResolvedRouterOptions,
): RouterStats {
  const now = performance.now()
  const pools = [...scheduler.pools]
  const byServer = groupByServer(pools)
  const idle = breakers.broken.filter(({ server }) => !byServer.has(server.id))
  return {
    connections: {
      ...countStates(pools),
      limit: options.maxConnections,
      out: scheduler.budget.out('process'),
    },
    servers: [
      ...[...byServer].map(([id, members]) => ({ id, members, server: members[0]?.server })),
      ...idle.map(({ server }) => ({ id: server.id, members: [], server })),
    ].map(({ id, members, server }) => ({
      ...countStates(members),
      server: id,
      limit: server?.budget.maxConnections ?? 0,
      out: scheduler.budget.out('server', id),
      breaker: breakers.stateOf(id),
    })),
    pools: pools.map((pool) => ({
      ...countStates([pool]),
      tenant: pool.id,
      server: pool.server.id,
      epoch: pool.record.epoch,
      waiting: pool.waiters.length,
      isDraining: pool.isDraining,
      idleMs: now - pool.lastUsedAt,
      serviceMs: pool.serviceMs,
    })),
    poolsLimit: options.maxPools,
    waiters: scheduler.waiters,
  }
}

export function countStates(pools: readonly TenantPool[]): ConnectionCounts {
  const counts = { opening: 0, idle: 0, leased: 0, cleaning: 0, closing: 0, quarantined: 0 }
  for (const pool of pools) for (const slot of pool.slots) counts[slot.state]++
  return counts
}

function groupByServer(pools: readonly TenantPool[]): Map<string, TenantPool[]> {
  const groups = new Map<string, TenantPool[]>()
  for (const pool of pools) groups.set(pool.server.id, [...(groups.get(pool.server.id) ?? []), pool])
  return groups
}
