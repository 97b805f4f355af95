import type { Trust } from '../../connection/connection.ts'
import type { ServerRecord } from '../../registry/server-record.ts'
import type { TenantId } from '../../tenant/tenant-id.ts'
import type { TenantRecord } from '../../tenant/tenant-record.ts'
import type { Waiter } from '../scheduling/waiter.ts'
import type { Slot } from './slot.ts'

/** Milliseconds after which a past use counts half when pools are compared. */
const HALF_LIFE_MS = 30_000
/** A tenant tries to open a connection again this long after one failed, then twice as long, up to the second. */
const FAILED_FIRST_MS = 50
const FAILED_MAX_MS = 1_000
/** Weight of the newest lease in the smoothed service time. */
const SMOOTHING = 0.2

/**
 * The connections of one tenant at one epoch, and who waits for one. Only the scheduler changes it.
 * Invariant: every slot is in `slots`; idle ones are in `#idle` too, the coldest first.
 */
export class TenantPool {
  readonly id: TenantId
  /** Replaced when the record changes within the epoch (limits, labels). */
  record: TenantRecord
  /** Of the record. */
  revision: number
  /** Replaced when the record changes and still leads to the same place. */
  server: ServerRecord
  readonly slots = new Set<Slot>()
  readonly #idle: Slot[] = []
  /** Callers that hold leases already come first, else in order of arrival. */
  readonly #waiters: Waiter[] = []
  /** No new leases: the pool ends when its last connection has closed. */
  isDraining = false
  /** Why the pool was ended with its leases, for one that is given in the same turn. */
  cutBy: Error | undefined
  /** Monotonic milliseconds before which no connection is opened, after an opening failed. */
  openNotBefore = 0
  /** Openings that failed since the last that did not. */
  #failures = 0
  lastUsedAt = performance.now()
  #priority = 0
  #serviceMs = 0

  /** @param priority what is remembered of an earlier pool of this tenant; 0 for a stranger. */
  constructor(record: TenantRecord, revision: number, server: ServerRecord, priority = 0) {
    this.id = record.id
    this.#priority = priority
    this.record = record
    this.revision = revision
    this.server = server
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

  /**
   * Rises with every use and fades with time; the pool with the lowest is the best victim. Uses fade by half
   * in `HALF_LIFE_MS`, so a pool that a sweep touched once ranks below one that is used all the time.
   * Kept as a logarithm that moves with the clock: comparing two needs no present time.
   */
  get priority(): number {
    return this.#priority
  }

  /** Takes a newer record of the same route. @returns whether connections opened before have old settings. */
  update(record: TenantRecord, revision: number, server: ServerRecord): boolean {
    const isChanged = this.record.limits.statementTimeoutMs !== record.limits.statementTimeoutMs
    this.record = record
    this.revision = revision
    this.server = server
    return isChanged
  }

  isOfEpoch({ generation, epoch }: TenantRecord): boolean {
    return generation === this.record.generation && epoch === this.record.epoch
  }

  /** Whether the record leads where these connections went; its budget and labels may differ. */
  isOn(server: ServerRecord): boolean {
    const place = ({ id, endpoints, tls, via }: ServerRecord) => JSON.stringify([id, endpoints, tls, via])
    return server === this.server || place(server) === place(this.server)
  }

  /** How many slots are in one of the states. */
  count(...states: readonly Slot['state'][]): number {
    let n = 0
    for (const slot of this.slots) if (states.includes(slot.state)) n++
    return n
  }

  /** The idle connection used last, so that the surplus goes cold. It is the caller's from here. */
  takeIdle(trust: Trust): Slot | undefined {
    for (let i = this.#idle.length - 1; i >= 0; i--) {
      const slot = this.#idle[i]
      if (slot?.trust === trust && slot.connection.isOpen) return this.#idle.splice(i, 1)[0]
    }
    return undefined
  }

  putIdle(slot: Slot): void {
    slot.state = 'idle'
    slot.idleSince = performance.now()
    this.#idle.push(slot)
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
    for (const slot of this.slots) {
      if (slot.trust === trust && slot.state !== 'closing' && slot.state !== 'quarantined') return true
    }
    return false
  }

  /** Whether a connection of this class is open and may come back to those who wait. */
  hasEstablished(trust: Trust): boolean {
    for (const { trust: own, state } of this.slots) {
      if (own === trust && (state === 'idle' || state === 'leased' || state === 'cleaning')) return true
    }
    return false
  }

  /** @param retryInMs after which the next may be tried, where that is known; else ever longer. */
  noteFailure(retryInMs: number | undefined): void {
    const waitMs = retryInMs ?? Math.min(FAILED_FIRST_MS * 2 ** this.#failures++, FAILED_MAX_MS)
    this.openNotBefore = performance.now() + waitMs
  }

  noteSuccess(): void {
    this.#failures = 0
  }

  noteUse(now: number): void {
    this.lastUsedAt = now
    const present = now / HALF_LIFE_MS
    this.#priority = present + Math.log2(1 + 2 ** (this.#priority - present))
  }

  noteService(ms: number): void {
    this.#serviceMs = this.#serviceMs === 0 ? ms : this.#serviceMs + SMOOTHING * (ms - this.#serviceMs)
  }
}
