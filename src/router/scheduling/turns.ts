import type { Trust } from '../../connection/connection.ts'
import type { Bound, Room } from '../pool/room.ts'
import type { SharedScope } from '../pool/shared-scope.ts'
import type { TenantPool } from '../pool/tenant-pool.ts'
import type { Lending } from './lending.ts'
import type { AcquireRequest, Waiter } from './waiter.ts'

/** A connection stays with its tenant and trust class where the next waiter there came so much later at most. */
const PATIENCE_MS = 25
/**
 * Connections and openings that go to younger waiters of other tenants, or of the same tenant's other trust class,
 * while one whose tenant has no connection of its class waits for room in the same scope and none is on its way,
 * at most: from then on it comes first, whatever shares and weights say.
 */
export const MAX_PASSES = 32
const CLASSES: readonly Trust[] = ['application', 'foreign']

/** The first of a tenant's waiters of one trust class, which wants a connection opened. */
export interface Turn {
  readonly pool: TenantPool
  readonly waiter: Waiter
  /** The tenant has no connection of the class, open or opening. */
  readonly isCold: boolean
}

interface Blocked {
  readonly turn: Turn
  readonly bound: Bound
}

/**
 * Of those of one class of lease that found no room in a scope: who comes first, and who came first, tenants
 * without a connection before all others.
 */
interface BlockedIn {
  readonly first: Blocked
  readonly oldest: Blocked
}

/** What many wait for room in: a server, the process, one tenant with its two trust classes, or the pools. */
type WaitedFor = SharedScope | TenantPool | 'pools'
type ByClass<T> = Partial<Record<AcquireRequest['class'], T>>

/**
 * Whose turn it is between tenants, and between the trust classes of one. Those who hold leases already come first,
 * then who was passed often enough, by arrival, then tenants without a connection, interactive leases before batch
 * ones, then the longest wait, counted by the tenant's weight: waits grow, so everyone's turn comes.
 * Invariants: `#blocked` holds those that found no room at the last look, until one of them leaves: then it is
 * outdated, and to be made anew before it is asked. Nobody of them whose tenant has no connection of its class is
 * passed more than `MAX_PASSES` times, with three exceptions. Those who hold leases already pass without bound: they
 * would keep others waiting. Who waits for a further connection is passed without bound by tenants other than its
 * own: it is served by what its tenant has. A batch lease is passed without bound by hot pools.
 */
export class Turns {
  readonly #room: Room
  readonly #lending: Lending
  readonly #blocked = new Map<WaitedFor, ByClass<BlockedIn>>()

  constructor(room: Room, lending: Lending) {
    this.#room = room
    this.#lending = lending
  }

  /** Whether anybody found no room at the last look for whom the pool could make some. */
  isWantedOf(pool: TenantPool): boolean {
    if (this.#blocked.size === 0) return false
    const { server, process } = pool.scopes
    return this.#blocked.has(server) || this.#blocked.has(process) || this.#blocked.has(pool)
  }

  /** Whether one of those that found no room in a scope of the pool has left since: who is next is not known. */
  isOutdated(pool: TenantPool): boolean {
    if (this.#blocked.size === 0) return false
    const { server, process } = pool.scopes
    return [server, process, pool].some((scope) =>
      this.#blockedIn(scope).some(({ turn }) => turn.waiter.isSettled),
    )
  }

  /** A new look at all who wait begins. */
  begin(): void {
    this.#blocked.clear()
  }

  inOrder(pools: Iterable<TenantPool>): Turn[] {
    const turns: Turn[] = []
    for (const pool of pools) {
      for (const trust of CLASSES) {
        const waiter = this.#lending.firstForOpening(pool, trust)
        if (waiter) turns.push({ pool, waiter, isCold: !pool.hasOpen(trust) })
      }
    }
    if (turns.length < 2) return turns
    const now = performance.now()
    const overdue = new Set(turns.filter(isOverdue))
    // Weights count no more for who is overdue, or heavier ones that are too would go on passing it.
    const age = (turn: Turn) => (now - turn.waiter.arrivedAt) * (overdue.has(turn) ? 1 : turn.pool.weight)
    return turns.sort(
      (a, b) =>
        Number(b.waiter.isNested) - Number(a.waiter.isNested) ||
        Number(overdue.has(b)) - Number(overdue.has(a)) ||
        Number(b.isCold) - Number(a.isCold) ||
        // What a hot pool gave up for an interactive lease is not for a batch lease.
        Number(!overdue.has(a) && isBatch(a)) - Number(!overdue.has(b) && isBatch(b)) ||
        age(b) - age(a),
    )
  }

  /** It found no place among the pools. */
  noteWithoutPlace(turn: Turn): void {
    this.#note('pools', { turn, bound: 'pools' })
  }

  /** It found no room, and none is on its way. */
  noteBlocked(turn: Turn, bound: Bound): void {
    this.#note(bound === 'tenant' ? turn.pool : this.#room.scope(bound, turn.pool), { turn, bound })
  }

  #note(scope: WaitedFor, blocked: Blocked): void {
    const present = this.#blocked.get(scope) ?? {}
    const { class: leaseClass } = blocked.turn.waiter.request
    const { first, oldest } = present[leaseClass] ?? { first: blocked, oldest: blocked }
    present[leaseClass] = { first, oldest: isOlder(blocked.turn, oldest.turn) ? blocked : oldest }
    this.#blocked.set(scope, present)
  }

  /** An opening goes to one of them, before those behind it, and those who found no place among the pools. */
  noteOpening(turn: Turn, behind: readonly Turn[]): void {
    const { server, process } = turn.pool.scopes
    const others = [...behind, ...this.#blockedIn('pools').map((blocked) => blocked.turn)]
    const passed = others.filter(({ isCold, waiter }) => isCold && waiter.arrivedAt < turn.waiter.arrivedAt)
    if (passed.some(({ pool }) => pool.scopes.server === server)) server.passes++
    // Those of its own server have seen it there.
    if (passed.some(({ pool }) => pool.scopes.server !== server)) process.passes++
  }

  /**
   * Whether a connection that has come back must make room for another tenant, or for the other trust class of
   * its own, rather than serve the next of its class. Counts the pass where it need not.
   */
  mustYield(pool: TenantPool, own: Waiter): boolean {
    if (this.#blocked.size === 0) return false
    const { server, process } = pool.scopes
    const scopes = [server, process, pool]
    const rivals = scopes.map((scope) => this.#rivals(scope, pool, own))
    if (!own.isNested && rivals.flat().some((rival) => this.#comesFirst(rival, pool, own))) return true
    scopes.forEach((scope, at) => {
      if (rivals[at]?.length) scope.passes++
    })
    return false
  }

  /** Whether the pool gives its place to a tenant that waits for one: it opens nothing more. */
  mustEnd(pool: TenantPool, own: Waiter): boolean {
    if (own.isNested || pool.census.live === 0) return false
    return this.#rivals('pools', pool, own).some((rival) => this.#comesFirst(rival, pool, own))
  }

  /** Those blocked in the scope that came before, of another tenant or of the other trust class. */
  #rivals(scope: WaitedFor, pool: TenantPool, own: Waiter): Blocked[] {
    return this.#blockedIn(scope).filter(({ turn }) => isRival(turn, pool, own))
  }

  #blockedIn(scope: WaitedFor): Blocked[] {
    const { interactive, batch } = this.#blocked.get(scope) ?? {}
    return [interactive, batch].flatMap((blocked) => (blocked ? [blocked.first, blocked.oldest] : []))
  }

  #comesFirst({ turn, bound }: Blocked, pool: TenantPool, own: Waiter): boolean {
    if (isOverdue(turn)) return true
    if (own.arrivedAt - turn.waiter.arrivedAt <= PATIENCE_MS) return false
    if (bound === 'tenant' || turn.pool === pool) return turn.isCold
    const has = (some: TenantPool) => (bound === 'pools' ? 1 : some.census.live)
    // One that has a connection already takes another's only up to its share, or they would go to and fro.
    const mayTake = turn.isCold || has(turn.pool) + 1 <= this.#room.share(bound, turn.pool)
    return mayTake && has(pool) > this.#room.share(bound, pool)
  }
}

function isBatch({ waiter }: Pick<Turn, 'waiter'>): boolean {
  return waiter.request.class === 'batch'
}

/** Whether it may come before the pool's own waiter: a batch lease takes nothing from who is wanted. */
function isRival({ pool, waiter }: Turn, of: TenantPool, own: Waiter): boolean {
  if (pool === of && waiter.request.trust === own.request.trust) return false
  if (waiter.isSettled || waiter.arrivedAt >= own.arrivedAt) return false
  return !isBatch({ waiter }) || (own.request.class === 'batch' && !of.isHot)
}

/** Of those that passes count for, before all others. */
function isOlder(a: Turn, b: Turn): boolean {
  return a.isCold === b.isCold ? a.waiter.arrivedAt < b.waiter.arrivedAt : a.isCold
}

function isOverdue({ waiter, pool, isCold }: Turn): boolean {
  if (!isCold) return false
  const { server, process } = pool.scopes
  const before = waiter.passesBefore
  // It may have waited for room in one of them after the other.
  const passes = server.passes - before.server + process.passes - before.process + pool.passes - before.tenant
  return passes >= MAX_PASSES
}
