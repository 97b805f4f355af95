import type { Connection, Trust } from '../../connection/connection.ts'
import { InternalError, TenantryError } from '../../errors.ts'
import type { ServerRecord } from '../../registry/server-record.ts'
import type { TenantRecord } from '../../tenant/tenant-record.ts'
import type { OpenGate, OpenVerdict } from '../breaker/open-gate.ts'
import type { EventHub } from '../events.ts'
import type { ResolvedRouterOptions } from '../options.ts'
import type { Permit } from './budget.ts'
import { Slot } from './slot.ts'
import type { TenantPool } from './tenant-pool.ts'

/** Opens a connection and proves that it leads to the tenant's own database. */
export type OpenConnection = (
  record: TenantRecord,
  server: ServerRecord,
  terms: OpenTerms,
) => Promise<Connection>

export interface OpenTerms {
  readonly connectTimeoutMs: number
  readonly signal: AbortSignal
  /** Called before a rejection, with a connection that was destroyed and whose backend may live on. */
  leftBehind(connection: Connection): void
}

/** After so long an opening waits for a server or a network, and no more for this process's CPU. */
export const STALLED_MS = 500

export interface OpenerListener {
  opened(slot: Slot): void
  /** An opening has become slow: it counts for its server alone from here. */
  stalled(): void
  /** The slot has its permit still. Its state is `opening`, or another when a backend was left behind. */
  failed(slot: Slot, error: Error, verdict: OpenVerdict): void
}

/**
 * Opens connections, a bounded number at once for each server and in all. Each opening holds a permit already.
 * Invariant: the openings of a scope are the slots of it in the state `opening`, and are never more than its bound;
 * for all servers together those count that are not slow, so that silent servers keep no other from being opened.
 */
export class Opener {
  readonly #options: ResolvedRouterOptions
  readonly #open: OpenConnection
  readonly #gate: OpenGate
  readonly #events: EventHub
  readonly #listener: OpenerListener
  readonly #abort = new AbortController()
  /** Slow ones of the openings under way. */
  #stalled = 0

  constructor(
    options: ResolvedRouterOptions,
    open: OpenConnection,
    gate: OpenGate,
    events: EventHub,
    listener: OpenerListener,
  ) {
    this.#options = options
    this.#open = open
    this.#gate = gate
    this.#events = events
    this.#listener = listener
  }

  isOpening(pool: TenantPool, trust: Trust): boolean {
    if (pool.census.of('opening') === 0) return false
    for (const slot of pool.slots) if (slot.trust === trust && slot.state === 'opening') return true
    return false
  }

  hasRoom({ scopes }: TenantPool): boolean {
    const { maxOpening, maxOpeningPerServer } = this.#options
    return (
      scopes.process.census.of('opening') - this.#stalled < maxOpening &&
      scopes.server.census.of('opening') < maxOpeningPerServer
    )
  }

  /**
   * Whether a connection closed for an opening's sake would be replaced at once. Those that are closing count as
   * openings to be: else a crowd of cold tenants would close many at once, long before it can use their permits.
   */
  hasRoomAfterClosing({ scopes }: TenantPool): boolean {
    const { maxOpening, maxOpeningPerServer } = this.#options
    const { process, server } = scopes
    return (
      process.census.of('opening') - this.#stalled + process.census.of('closing') < maxOpening &&
      server.census.of('opening') + server.census.of('closing') < maxOpeningPerServer
    )
  }

  /** The permit is the slot's from here; the listener hears of the outcome exactly once. */
  open(pool: TenantPool, permit: Permit, trust: Trust): void {
    const slot = new Slot(pool, permit, trust)
    pool.add(slot)
    void this.#run(slot)
  }

  /** Aborts what is under way. */
  close(): void {
    this.#abort.abort()
  }

  async #run(slot: Slot): Promise<void> {
    const { pool } = slot
    const tenant = { tenant: pool.id, server: pool.server.id }
    const startedAt = performance.now()
    pool.memory.noteOpening(startedAt)
    const attempt = this.#gate.begin(pool.record, pool.server)
    const ended = this.#watch()
    try {
      const connection = await this.#open(pool.record, pool.server, {
        connectTimeoutMs: this.#options.connectTimeoutMs,
        signal: this.#abort.signal,
        leftBehind: (connection) => {
          ended()
          slot.opened(connection, Number.POSITIVE_INFINITY)
          slot.become('closing')
        },
      })
      ended()
      const now = performance.now()
      slot.opened(connection, now + this.#options.maxConnectionLifetimeMs * (0.9 + Math.random() * 0.2))
      attempt.opened()
      this.#events.emit('opened', { ...tenant, pid: connection.pid, ms: now - startedAt })
      this.#listener.opened(slot)
    } catch (thrown) {
      ended()
      const error = thrown instanceof Error ? thrown : new InternalError(String(thrown))
      const code = error instanceof TenantryError ? error.code : 'internal'
      const verdict = attempt.failed(error)
      this.#events.emit('openFailed', { ...tenant, code, error })
      this.#listener.failed(slot, error, verdict)
    }
  }

  /** @returns to be called when the opening has ended, before its slot changes its state. */
  #watch(): () => void {
    let isSlow = false
    const timer = setTimeout(() => {
      isSlow = true
      this.#stalled++
      this.#listener.stalled()
    }, STALLED_MS)
    return () => {
      clearTimeout(timer)
      if (isSlow) this.#stalled--
      isSlow = false
    }
  }
}
