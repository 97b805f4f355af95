import type { Trust } from '../../connection/connection.ts'
import type { Bound, Room } from '../pool/room.ts'
import type { SharedScope } from '../pool/shared-scope.ts'
import type { TenantPool } from '../pool/tenant-pool.ts'
import type { Lending } from './lending.ts'
import type { Waiter } from './waiter.ts'

/** A connection stays with its tenant and trust class where the next waiter there came so much later at most. */
const PATIENCE_MS = 25
/**
 * Connections and openings that go to younger waiters of other tenants, or of the same tenant's other trust class,
 * while an older one waits for room in the same scope, at most: from then on it comes first, whatever shares and
 * weights say.
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

/** Of those that found no room in a scope: who comes first, and who came first, tenants without a connection before all others. */
interface BlockedIn {
  readonly first: Blocked
  readonly oldest: Blocked
}

/** What many wait for room in: a server, the process, or one tenant with its two trust classes. */
type WaitedFor = SharedScope | TenantPool

/**
 * Whose turn it is between tenants, and between the trust classes of one. Those who hold leases already come first, then who was passed often enough,
 * then tenants without a connection, then the longest wait, counted by the tenant's weight: waits grow, so
 * everyone's turn comes.
 * Invariants: `#blocked` holds those that found no room at the last look, unless they were served or have left
 * since; nobody of them is passed more than `MAX_PASSES` times.
 */
export class Turns {
  readonly #room: Room
  readonly #lending: Lending
  readonly #blocked = new Map<WaitedFor, BlockedIn>()
  /** Who comes first of those that found no place among the pools at the last look. */
  #withoutPlace: Turn | undefined

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

  /** A new look at all who wait begins. */
  begin(): void {
    this.#blocked.clear()
    this.#withoutPlace = undefined
  }

  inOrder(pools: Iterable<TenantPool>): Turn[] {
    const turns: Turn[] = []
    for (const pool of pools) {
      for (const trust of CLASSES) {
        const waiter = this.#lending.firstServable(pool, trust, true)
        if (waiter) turns.push({ pool, waiter, isCold: !pool.hasOpen(trust) })
      }
    }
    if (turns.length < 2) return turns
    const now = performance.now()
    const age = ({ waiter, pool }: Turn) => (now - waiter.arrivedAt) * pool.weight
    return turns.sort(
      (a, b) =>
        Number(b.waiter.isNested) - Number(a.waiter.isNested) ||
        Number(isOverdue(b)) - Number(isOverdue(a)) ||
        Number(b.isCold) - Number(a.isCold) ||
        age(b) - age(a),
    )
  }

  /** It found no place among the pools. */
  noteWithoutPlace(turn: Turn): void {
    this.#withoutPlace ??= turn
  }

  /** It found no room, and none is on its way. */
  noteBlocked(turn: Turn, bound: Bound): void {
    const scope = bound === 'tenant' ? turn.pool : this.#room.scope(bound, turn.pool)
    const present = this.#blocked.get(scope)
    const blocked = { turn, bound }
    if (!present) this.#blocked.set(scope, { first: blocked, oldest: blocked })
    else if (isOlder(turn, present.oldest.turn)) {
      this.#blocked.set(scope, { first: present.first, oldest: blocked })
    }
  }

  /** An opening goes to one of them, before those behind it. */
  noteOpening(turn: Turn, behind: readonly Turn[]): void {
    const { server, process } = turn.pool.scopes
    const passed = behind.filter(({ isCold, waiter }) => isCold && waiter.arrivedAt < turn.waiter.arrivedAt)
    if (passed.some(({ pool }) => pool.scopes.server === server)) server.passes++
    if (passed.length > 0) process.passes++
  }

  /**
   * Whether a connection that has come back must make room for another tenant, or for the other trust class of
   * its own, rather than serve the next of its class. Counts the pass where it need not.
   */
  mustYield(pool: TenantPool, own: Waiter): boolean {
    if (own.isNested || this.#blocked.size === 0) return false
    const { server, process } = pool.scopes
    const scopes = [server, process, pool]
    const rivals = scopes.map((scope) => this.#rivals(scope, pool, own))
    if (rivals.flat().some((rival) => this.#comesFirst(rival, pool, own))) return true
    scopes.forEach((scope, at) => {
      if (rivals[at]?.length) scope.passes++
    })
    return false
  }

  /** Whether the pool gives its place to a tenant that waits for one: it opens nothing more. */
  mustEnd(pool: TenantPool, own: Waiter): boolean {
    const turn = this.#withoutPlace
    if (!turn || own.isNested || pool.census.live === 0 || turn.waiter.arrivedAt >= own.arrivedAt)
      return false
    return this.#comesFirst({ turn, bound: 'pools' }, pool, own)
  }

  /** Those blocked in the scope that came before, of another tenant or of the other trust class. */
  #rivals(scope: WaitedFor, pool: TenantPool, own: Waiter): Blocked[] {
    const blocked = this.#blocked.get(scope)
    if (!blocked) return []
    const isOwn = ({ turn }: Blocked) => turn.pool === pool && turn.waiter.request.trust === own.request.trust
    return [blocked.first, blocked.oldest].filter(
      (rival) => !isOwn(rival) && !rival.turn.waiter.isSettled && rival.turn.waiter.arrivedAt < own.arrivedAt,
    )
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

/** Of those that passes count for, before all others. */
function isOlder(a: Turn, b: Turn): boolean {
  return a.isCold === b.isCold ? a.waiter.arrivedAt < b.waiter.arrivedAt : a.isCold
}

function isOverdue({ waiter, pool, isCold }: Turn): boolean {
  if (!isCold) return false
  const { server, process } = pool.scopes
  const before = waiter.passesBefore
  const inShared = Math.max(server.passes - before.server, process.passes - before.process)
  return Math.max(inShared, pool.passes - before.tenant) >= MAX_PASSES
}
