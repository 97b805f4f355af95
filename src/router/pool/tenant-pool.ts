import type { Trust } from '../../connection/connection.ts'
import { isSamePlace, type ServerRecord } from '../../registry/server-record.ts'
import type { TenantId } from '../../tenant/tenant-id.ts'
import type { TenantRecord } from '../../tenant/tenant-record.ts'
import type { Waiter } from '../scheduling/waiter.ts'
import { Census, type SlotState } from './census.ts'
import type { ServerScope, SharedScope, Standing } from './shared-scope.ts'
import type { Slot } from './slot.ts'
import type { TenantMemory } from './tenant-memory.ts'

/** Weight of the newest lease in the smoothed service time. */
const SMOOTHING = 0.2
/** A pool is hot for so long after somebody wanted it, batch leases not counted. */
const HOT_MS = 10_000

/** Where a pool is counted beside itself. */
export interface PoolScopes {
  readonly server: ServerScope
  readonly process: SharedScope
}

/**
 * The connections of one tenant at one epoch, and who waits for one. Only the scheduler changes it.
 * Invariants: every slot is in `slots` and counted once in each census; idle ones, and no others, are in
 * `#idle` too, the coldest first; waiters of one trust are in order of arrival, those that hold leases already
 * before all others.
 */
export class TenantPool {
  readonly id: TenantId
  /** Replaced when the record changes within the epoch (limits, labels). */
  record: TenantRecord
  /** Of the record. */
  revision: number
  /** Replaced when the record changes and still leads to the same place. */
  server: ServerRecord
  readonly scopes: PoolScopes
  readonly memory: TenantMemory
  readonly census = new Census()
  readonly #slots = new Set<Slot>()
  readonly #idle: Slot[] = []
  readonly #waiters: Waiter[] = []
  #standing: Standing = 'empty'
  /** Batch leases out. */
  batchOut = 0
  /** No new leases: the pool ends when its last connection has closed. */
  isDraining = false
  /** Why the pool was ended with its leases, for one that is given in the same turn. */
  cutBy: Error | undefined
  /** When a lease last began; at first, when the pool was made. */
  lastUsedAt = performance.now()
  /** When an interactive lease last began or ended. */
  wantedAt = Number.NEGATIVE_INFINITY
  /** What its waiters waited while the event loop had nothing to do, since a connection was last idle. */
  waitedTogetherMs = 0
  /** How often somebody of one trust class, for whom it has no room, was passed by a younger one of the other. */
  passes = 0
  #serviceMs = 0
  /** What its scopes count of its weight. */
  #weighed = 0

  constructor(
    record: TenantRecord,
    revision: number,
    server: ServerRecord,
    scopes: PoolScopes,
    memory: TenantMemory,
  ) {
    this.id = record.id
    this.record = record
    this.revision = revision
    this.server = server
    this.scopes = scopes
    this.memory = memory
  }

  get slots(): ReadonlySet<Slot> {
    return this.#slots
  }

  get idleSlots(): readonly Slot[] {
    return this.#idle
  }

  get waiters(): readonly Waiter[] {
    return this.#waiters
  }

  /** Smoothed milliseconds that a lease of this tenant is out. */
  get serviceMs(): number {
    return this.#serviceMs
  }

  get priority(): number {
    return this.memory.priority
  }

  /** A batch lease, and a tenant that has a connection, never end such a pool. */
  get isHot(): boolean {
    return performance.now() - this.wantedAt < HOT_MS
  }

  get weight(): number {
    return this.record.limits.weight
  }

  /** The idle connection that was not used for longest. */
  get coldest(): Slot | undefined {
    return this.#idle[0]
  }

  /** The same, of those beside which the tenant keeps another of the trust class. */
  get surplus(): Slot | undefined {
    return this.#idle.find((idle) => {
      for (const other of this.#slots) {
        if (other !== idle && other.isLive && other.trust === idle.trust) return true
      }
      return false
    })
  }

  /** Takes a newer record of the same route. @returns whether connections opened before have old settings. */
  update(record: TenantRecord, revision: number, server: ServerRecord): boolean {
    const isChanged = this.record.limits.statementTimeoutMs !== record.limits.statementTimeoutMs
    this.record = record
    this.revision = revision
    this.server = server
    this.weigh(this.weight)
    return isChanged
  }

  /** Where the tenant's weight is counted in its scopes, and nowhere else; 0 takes it out. */
  weigh(weight: number): void {
    const { server, process } = this.scopes
    server.weight += weight - this.#weighed
    process.weight += weight - this.#weighed
    this.#weighed = weight
  }

  isOfEpoch({ generation, epoch }: TenantRecord): boolean {
    return generation === this.record.generation && epoch === this.record.epoch
  }

  /** Whether the record leads where these connections went; its budget and labels may differ. */
  isOn(server: ServerRecord): boolean {
    return isSamePlace(server, this.server)
  }

  add(slot: Slot): void {
    this.#slots.add(slot)
    this.moved(undefined, slot.state)
  }

  /** @returns false when it had gone already. */
  remove(slot: Slot): boolean {
    if (!this.#slots.delete(slot)) return false
    this.moved(slot.state, undefined)
    return true
  }

  /** A slot of this pool has changed its state, begun or gone: counted here for all who count it. */
  moved(from: SlotState | undefined, to: SlotState | undefined): void {
    const before = this.#standing
    this.census.move(from, to)
    const isLeaving = this.census.of('closing') > 0
    this.#standing = this.census.live > 0 ? 'open' : isLeaving ? 'leaving' : 'empty'
    this.scopes.server.moved(from, to, before, this.#standing)
    this.scopes.process.moved(from, to, before, this.#standing)
  }

  /** The idle connection used last, so that the surplus goes cold. It is the caller's from here. */
  takeIdle(trust: Trust): Slot | undefined {
    for (let i = this.#idle.length - 1; i >= 0; i--) {
      const slot = this.#idle[i]
      if (slot?.trust !== trust || !slot.connection.isOpen) continue
      this.#idle.splice(i, 1)
      return slot
    }
    return undefined
  }

  putIdle(slot: Slot): void {
    slot.idleSince = performance.now()
    this.waitedTogetherMs = 0
    this.#idle.push(slot)
    slot.become('idle')
    this.scopes.server.idle.note(this)
  }

  removeIdle(slot: Slot): void {
    const at = this.#idle.indexOf(slot)
    if (at >= 0) this.#idle.splice(at, 1)
  }

  enqueue(waiter: Waiter): void {
    if (!waiter.isNested) {
      this.#waiters.push(waiter)
      return
    }
    const firstOrdinary = this.#waiters.findIndex((other) => !other.isNested)
    this.#waiters.splice(firstOrdinary < 0 ? this.#waiters.length : firstOrdinary, 0, waiter)
  }

  /** False when it was not in the queue. */
  dequeue(waiter: Waiter): boolean {
    const at = this.#waiters.indexOf(waiter)
    if (at >= 0) this.#waiters.splice(at, 1)
    return at >= 0
  }

  /** Whether a connection of this class is open or about to be. */
  hasOpen(trust: Trust): boolean {
    for (const slot of this.#slots) if (slot.trust === trust && slot.isLive) return true
    return false
  }

  /** Whether a connection of this class is open and may come back to those who wait. */
  hasEstablished(trust: Trust): boolean {
    for (const slot of this.#slots) {
      if (slot.trust === trust && slot.isLive && slot.state !== 'opening') return true
    }
    return false
  }

  /** @param isWanted false for a batch lease, which says nothing of how much a tenant is used. */
  noteUse(now: number, isWanted: boolean): void {
    this.lastUsedAt = now
    if (!isWanted) return
    this.wantedAt = now
    this.memory.noteUse(now)
  }

  noteService(ms: number): void {
    this.#serviceMs = this.#serviceMs === 0 ? ms : this.#serviceMs + SMOOTHING * (ms - this.#serviceMs)
  }
}
