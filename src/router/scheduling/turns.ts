import type { Trust } from '../../connection/connection.ts'
import type { Room, SharedBound } from '../pool/room.ts'
import type { SharedScope } from '../pool/shared-scope.ts'
import type { TenantPool } from '../pool/tenant-pool.ts'
import type { Lending } from './lending.ts'
import type { Waiter } from './waiter.ts'

/** A tenant over its share keeps its connection for its own next waiter, where that came so much later at most. */
const PATIENCE_MS = 25
/**
 * Connections and openings that go to younger waiters of other tenants while an older one waits for room in the
 * same scope, at most: from then on it comes first, whatever shares and weights say.
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
  readonly bound: SharedBound
}

/** Of those that found no room in a scope: who comes first, and who came first. */
interface BlockedIn {
  readonly first: Blocked
  readonly oldest: Blocked
}

/**
 * Whose turn it is between tenants. Those who hold leases already come first, then who was passed often enough,
 * then tenants without a connection, then the longest wait, counted by the tenant's weight: waits grow, so
 * everyone's turn comes.
 * Invariants: `#blocked` holds those that found no room at the last look, unless they were served or have left
 * since; nobody of them is passed more than `MAX_PASSES` times.
 */
export class Turns {
  readonly #room: Room
  readonly #lending: Lending
  readonly #blocked = new Map<SharedScope, BlockedIn>()

  constructor(room: Room, lending: Lending) {
    this.#room = room
    this.#lending = lending
  }

  /** Whether anybody found no room at the last look. */
  get isAnyBlocked(): boolean {
    return this.#blocked.size > 0
  }

  /** A new look at all who wait begins. */
  begin(): void {
    this.#blocked.clear()
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

  /** It found no room, and none is on its way. */
  noteBlocked(turn: Turn, bound: SharedBound): void {
    const scope = this.#room.scope(bound, turn.pool)
    const present = this.#blocked.get(scope)
    const blocked = { turn, bound }
    if (!present) this.#blocked.set(scope, { first: blocked, oldest: blocked })
    else if (turn.waiter.arrivedAt < present.oldest.turn.waiter.arrivedAt) {
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
   * Whether a connection that has come back must make room for another tenant, rather than serve its own
   * tenant's next. Counts the pass where it need not.
   */
  mustYield(pool: TenantPool, own: Waiter): boolean {
    if (own.isNested || this.#blocked.size === 0) return false
    const { server, process } = pool.scopes
    const [onServer, anywhere] = [this.#rivals(server, pool, own), this.#rivals(process, pool, own)]
    if ([...onServer, ...anywhere].some((rival) => this.#comesFirst(rival, pool, own))) return true
    if (onServer.length > 0) server.passes++
    if (anywhere.length > 0) process.passes++
    return false
  }

  /** Those blocked in the scope that are of another tenant and came before. */
  #rivals(scope: SharedScope, pool: TenantPool, own: Waiter): Blocked[] {
    const blocked = this.#blocked.get(scope)
    if (!blocked) return []
    return [blocked.first, blocked.oldest].filter(
      ({ turn }) => turn.pool !== pool && !turn.waiter.isSettled && turn.waiter.arrivedAt < own.arrivedAt,
    )
  }

  #comesFirst({ turn, bound }: Blocked, pool: TenantPool, own: Waiter): boolean {
    if (isOverdue(turn)) return true
    if (own.arrivedAt - turn.waiter.arrivedAt <= PATIENCE_MS) return false
    const has = (some: TenantPool) => (bound === 'pools' ? 1 : some.census.live)
    // One that has a connection already takes another's only up to its share, or they would go to and fro.
    const mayTake = turn.isCold || has(turn.pool) + 1 <= this.#room.share(bound, turn.pool)
    return mayTake && has(pool) > this.#room.share(bound, pool)
  }
}

function isOverdue({ waiter, pool, isCold }: Turn): boolean {
  if (!isCold) return false
  const { server, process } = pool.scopes
  const { passesBefore } = waiter
  return Math.max(server.passes - passesBefore.server, process.passes - passesBefore.process) >= MAX_PASSES
}
