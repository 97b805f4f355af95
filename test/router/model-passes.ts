import assert from 'node:assert/strict'
import type { Trust } from '../../src/connection/connection.ts'
import type { Breakers } from '../../src/router/breaker/breakers.ts'
import type { TenantPool } from '../../src/router/pool/tenant-pool.ts'
import type { Scheduler } from '../../src/router/scheduling/scheduler.ts'
import { MAX_PASSES } from '../../src/router/scheduling/turns.ts'
import type { Waiter } from '../../src/router/scheduling/waiter.ts'
import { ModelRequest } from './model-request.ts'

type Bound = 'tenant' | 'server' | 'process'

export interface PassLimits {
  readonly process: number
  readonly server: number
  readonly tenant: number
  readonly maxOpeningPerServer: number
  readonly maxOpening: number
}

/** What a full server showed to have room for is long forgotten, whatever bound that was. */
const FOUND_FORGOTTEN_MS = 10_000
/** Timers come whole milliseconds after what they wait for. */
const TIMER_MS = 5

/**
 * Counts for each caller whose tenant has no connection how often younger ones were preferred to it: by the state
 * of the pools at each grant and opening, not by the scheduler's own counters. Whoever is held back for another
 * reason than room (a breaker, its tenant's failures, openings under way, a closing that makes room) is not passed.
 */
export class PassCount {
  /** The most that anybody was passed. */
  most = 0
  readonly #scheduler: Scheduler
  readonly #breakers: Breakers
  readonly #limits: PassLimits
  readonly #counts = new Map<ModelRequest, number>()
  readonly #fullAt = new Map<string, number>()

  constructor(scheduler: Scheduler, breakers: Breakers, limits: PassLimits) {
    this.#scheduler = scheduler
    this.#breakers = breakers
    this.#limits = limits
  }

  noteServerFull(server: string): void {
    this.#fullAt.set(server, performance.now())
  }

  /** An opening begins in this pool: for the oldest there, or one that is younger still. */
  opening(pool: TenantPool): void {
    const trust = [...pool.slots].at(-1)?.trust
    const own = pool.waiters.filter(({ request }) => request.trust === trust && !request.onlyIfWarm)
    if (trust === undefined || own.length === 0 || own.some(({ isNested }) => isNested)) return
    const arrivedAt = Math.min(...own.map((waiter) => waiter.arrivedAt))
    for (const [waiter, rival] of this.#cold(pool, trust, arrivedAt)) {
      const bound = this.#fullBound(rival)
      const isElsewhere = rival.server.id !== pool.server.id
      const openings = rival.scopes.server.census.of('opening')
      if (isElsewhere && openings >= this.#limits.maxOpeningPerServer) continue
      if (bound && isIn(bound, rival, pool)) this.#count(waiter, bound)
    }
  }

  /** A connection is lent that had been lent before: who asks for room elsewhere could have had it. */
  granted(request: ModelRequest): void {
    const { pool, slot } = this.#lent(request)
    if (request.isNested || !pool || !slot || slot.leasedAt === 0) return
    if (pool.scopes.process.census.of('closing') > 0) return
    for (const [waiter, rival] of this.#cold(pool, slot.trust, request.arrivedAt)) {
      const bound = this.#fullBound(rival)
      if (bound && isIn(bound, rival, pool) && this.#mayOpen(rival)) this.#count(waiter, bound)
    }
  }

  /** The first of each tenant and trust class that has no connection, of those that came before. */
  *#cold(passing: TenantPool, trust: Trust, arrivedAt: number): Iterable<[Waiter, TenantPool]> {
    for (const pool of this.#scheduler.pools) {
      for (const kind of ['application', 'foreign'] as const) {
        if (pool.hasOpen(kind) || (pool === passing && kind === trust) || this.#isHeldBack(pool)) continue
        const waiter = pool.waiters.find(
          ({ request }) => request.trust === kind && !request.onlyIfWarm && request.class === 'interactive',
        )
        if (waiter && waiter.arrivedAt < arrivedAt) yield [waiter, pool]
      }
    }
  }

  #isHeldBack(pool: TenantPool): boolean {
    const now = performance.now()
    const fullAt = this.#fullAt.get(pool.server.id) ?? Number.NEGATIVE_INFINITY
    return (
      pool.memory.openNotBefore + TIMER_MS > now ||
      fullAt + FOUND_FORGOTTEN_MS > now ||
      this.#breakers.refusal(pool.record, pool.server) !== undefined ||
      this.#breakers.waitMs(pool.server) > 0
    )
  }

  /** In the order in which the scheduler looks for it. */
  #fullBound({ id, server }: TenantPool): Bound | undefined {
    const { server: serverLimit, tenant: tenantLimit } = this.#limits
    return this.#scheduler.budget.fullScope(server.id, serverLimit, id, tenantLimit)
  }

  #mayOpen({ scopes }: TenantPool): boolean {
    const { maxOpening, maxOpeningPerServer } = this.#limits
    const { server, process } = scopes
    return server.census.of('opening') < maxOpeningPerServer && process.census.of('opening') < maxOpening
  }

  #lent(request: ModelRequest) {
    for (const pool of this.#scheduler.pools) {
      for (const slot of pool.slots) if (slot.lentTo?.context === request) return { pool, slot }
    }
    return {}
  }

  #count({ request }: Waiter, bound: Bound): void {
    if (!(request.context instanceof ModelRequest)) return
    const passes = (this.#counts.get(request.context) ?? 0) + 1
    this.#counts.set(request.context, passes)
    this.most = Math.max(this.most, passes)
    assert.ok(
      passes <= MAX_PASSES,
      `a caller of ${request.context.ask.tenant} was passed ${passes} times, the last time for the ${bound}`,
    )
  }
}

function isIn(bound: Bound, pool: TenantPool, other: TenantPool): boolean {
  if (bound === 'tenant') return pool === other
  return bound === 'process' || pool.server.id === other.server.id
}
