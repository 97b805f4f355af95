import type { Trust } from '../connection/connection.ts'
import type { ServerRecord } from '../registry/server-record.ts'
import type { TenantId } from '../tenant/tenant-id.ts'
import type { TenantRecord } from '../tenant/tenant-record.ts'
import type { BreakerExplanation, Breakers } from './breaker/breakers.ts'
import type { Fences } from './fences.ts'
import type { Holds } from './holds.ts'
import type { ResolvedRouterOptions } from './options.ts'
import type { Bound } from './pool/room.ts'
import type { TenantPool } from './pool/tenant-pool.ts'
import type { Mishap, RecentTrouble, RefusalRun } from './recent-trouble.ts'
import type { Scheduler } from './scheduling/scheduler.ts'
import { type ConnectionCounts, countStates } from './stats.ts'

/** A connection that somebody has. */
export interface LeaseExplanation {
  readonly class: 'interactive' | 'batch'
  readonly trust: Trust
  readonly heldMs: number
  /** How long its statement has been running; null while none runs. */
  readonly statementMs: number | null
}

export interface PoolExplanation extends ConnectionCounts {
  readonly server: string
  readonly epoch: number
  readonly revision: number
  /** It takes no new leases. */
  readonly isDraining: boolean
  /** Milliseconds since a lease began. */
  readonly idleMs: number
  readonly serviceMs: number
  readonly waiting: number
  /** Null while nobody waits. */
  readonly oldestWaitMs: number | null
  readonly leases: readonly LeaseExplanation[]
}

export interface Fill {
  readonly out: number
  readonly limit: number
}

/** Permits out and their limit, where the tenant is counted; of pools, those that exist. */
export interface BudgetExplanation extends Readonly<Record<Bound, Fill>> {
  /** What would keep a further connection from being opened now; null where nothing would. */
  readonly full: Bound | null
}

export interface LimitsExplanation {
  readonly maxConnections: number
  readonly statementTimeoutMs: number
  readonly maxResultBytes: number
  readonly weight: number
  readonly acquireTimeoutMs: number
  readonly leaseTimeoutMs: number
}

/** All that the router knows of one tenant, at one instant. Nothing in it is a secret, or SQL of a tenant. */
export interface TenantExplanation {
  readonly tenant: TenantId
  /** The one that takes new leases first. */
  readonly pools: readonly PoolExplanation[]
  /** These three are null where it is not known which record and server the tenant has. */
  readonly budgets: BudgetExplanation | null
  readonly limits: LimitsExplanation | null
  readonly breaker: BreakerExplanation | null
  /** Why this process refuses it whatever its record says; null where it does not. */
  readonly hold: string | null
  /** Why nothing is served until the record changes; null where it is not so. */
  readonly fence: { readonly at: number | null; readonly why: string } | null
  /** The latest first. */
  readonly refusals: readonly RefusalRun[]
  readonly lastOpenFailure: Mishap | null
}

/** A tenant's record and the server that it names, as whoever asks read them. */
export interface KnownRoute {
  readonly record: TenantRecord
  readonly server: ServerRecord
}

export interface ExplainedParts {
  readonly scheduler: Scheduler
  readonly breakers: Breakers
  readonly fences: Fences
  readonly holds: Holds
  readonly trouble: RecentTrouble
  readonly options: ResolvedRouterOptions
}

/** Reads only, and asks nobody: neither breaker nor limit nor registry can keep the answer back. */
export function explainTenant(
  parts: ExplainedParts,
  tenant: TenantId,
  known: KnownRoute | undefined,
): TenantExplanation {
  const { scheduler, breakers, fences, holds, trouble, options } = parts
  const current = scheduler.current(tenant)
  const others = [...scheduler.pools].filter((pool) => pool.id === tenant && pool !== current)
  const route = known ?? current
  const fencedBy = route && fences.of(route.record)
  return {
    tenant,
    pools: [...(current ? [current] : []), ...others].map(explainPool),
    budgets: route ? explainBudgets(parts, route, current) : null,
    limits: route ? limitsOf(route.record, options) : null,
    breaker: route ? breakers.explain(route.record, route.server) : null,
    hold: holds.of(tenant)?.message ?? null,
    fence: fencedBy ? { at: trouble.fenceOf(tenant)?.at ?? null, why: fencedBy.message } : null,
    refusals: trouble.refusalsOf(tenant),
    lastOpenFailure: trouble.openFailureOf(tenant) ?? null,
  }
}

function explainPool(pool: TenantPool): PoolExplanation {
  const now = performance.now()
  const arrivals = pool.waiters.map(({ arrivedAt }) => arrivedAt)
  return {
    ...countStates([pool]),
    server: pool.server.id,
    epoch: pool.record.epoch,
    revision: pool.revision,
    isDraining: pool.isDraining,
    idleMs: now - pool.lastUsedAt,
    serviceMs: pool.serviceMs,
    waiting: arrivals.length,
    oldestWaitMs: arrivals.length === 0 ? null : now - Math.min(...arrivals),
    leases: [...explainLeases(pool, now)],
  }
}

function* explainLeases(pool: TenantPool, now: number): Iterable<LeaseExplanation> {
  for (const slot of pool.slots) {
    if (slot.state !== 'leased') continue
    const { busySince } = slot.connection
    yield {
      class: slot.lentTo?.class ?? 'interactive',
      trust: slot.trust,
      heldMs: now - slot.leasedAt,
      statementMs: busySince === undefined ? null : now - busySince,
    }
  }
}

function explainBudgets(
  { scheduler, options }: ExplainedParts,
  { record, server }: KnownRoute,
  pool: TenantPool | undefined,
): BudgetExplanation {
  const { budget, room, openPools } = scheduler
  const { maxConnections: tenant } = limitsOf(record, options)
  // What the server showed to have room for is known by its pools alone.
  const ofServer = pool ? room.serverLimit(pool) : server.budget.maxConnections
  const fullOf = () =>
    openPools >= options.maxPools ? 'pools' : budget.fullScope(server.id, ofServer, record.id, tenant)
  return {
    tenant: { out: budget.out('tenant', record.id), limit: tenant },
    server: { out: budget.out('server', server.id), limit: ofServer },
    process: { out: budget.out('process'), limit: budget.processLimit },
    pools: { out: openPools, limit: options.maxPools },
    full: (pool ? room.fullBound(pool) : fullOf()) ?? null,
  }
}

function limitsOf({ limits }: TenantRecord, options: ResolvedRouterOptions): LimitsExplanation {
  const { maxConnectionsPerTenant, acquireTimeoutMs, leaseTimeoutMs } = options
  return {
    maxConnections: Math.min(maxConnectionsPerTenant, limits.maxConnections ?? maxConnectionsPerTenant),
    statementTimeoutMs: limits.statementTimeoutMs ?? options.statementTimeoutMs,
    maxResultBytes: limits.maxResultBytes ?? options.maxResultBytes,
    weight: limits.weight,
    acquireTimeoutMs,
    leaseTimeoutMs,
  }
}
