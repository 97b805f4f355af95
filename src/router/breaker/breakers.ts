import { CircuitOpenError } from '../../errors.ts'
import type { ServerRecord } from '../../registry/server-record.ts'
import type { TenantId } from '../../tenant/tenant-id.ts'
import type { TenantRecord } from '../../tenant/tenant-record.ts'
import type { EventHub } from '../events.ts'
import { type FailureClass, failureClass } from './failure-class.ts'
import type { OpenAttempt, OpenGate, OpenVerdict } from './open-gate.ts'
import { type BreakerState, type Probe, ServerBreaker } from './server-breaker.ts'
import { TenantBreaker } from './tenant-breaker.ts'

/** Tenants in trouble that are remembered; beyond it the one longest in trouble may try again early. */
const MAX_TENANTS = 10_000

interface ServerEntry {
  readonly breaker: ServerBreaker
  /** As it was on record at the last attempt. */
  server: ServerRecord
}

/** What is held against a server and a tenant. */
export interface BreakerExplanation {
  readonly state: BreakerState
  /** Milliseconds that the server's has been open; 0 while it is closed. */
  readonly openMs: number
  /** Milliseconds until the next attempt to connect to the server may pass. */
  readonly nextAttemptInMs: number
  /** Milliseconds for which nobody asks the server for a place, since it had none. */
  readonly fullForMs: number
  readonly cause: string | null
  /** The tenant's own: its last login led nowhere, and nobody tries again for so long. */
  readonly tenant: { readonly forMs: number; readonly cause: string } | null
}

/**
 * The breakers of all servers and tenants that an opening failed for; those without fault have none.
 * Invariant: an entry goes with the first connection that opens for it.
 */
export class Breakers implements OpenGate {
  readonly #events: EventHub
  readonly #now: () => number
  readonly #servers = new Map<string, ServerEntry>()
  readonly #tenants = new Map<TenantId, TenantBreaker>()

  /** @param now monotonic milliseconds. */
  constructor(events: EventHub, now: () => number = () => performance.now()) {
    this.#events = events
    this.#now = now
    events.on('closed', ({ server }) => this.#servers.get(server)?.breaker.noteRoom())
  }

  /** Servers with a breaker that is not closed. */
  get broken(): readonly { readonly server: ServerRecord; readonly state: BreakerState }[] {
    return [...this.#servers.values()]
      .map(({ server, breaker }) => ({ server, state: breaker.state }))
      .filter(({ state }) => state !== 'closed')
  }

  stateOf(server: string): BreakerState {
    return this.#servers.get(server)?.breaker.state ?? 'closed'
  }

  /** Asking changes nothing. */
  explain(record: TenantRecord, server: ServerRecord): BreakerExplanation {
    const breaker = this.#servers.get(server.id)?.breaker
    const own = this.#tenants.get(record.id)
    const held = own?.refusal(record)
    return {
      state: breaker?.state ?? 'closed',
      openMs: breaker?.openMs ?? 0,
      nextAttemptInMs: breaker?.nextAttemptInMs ?? 0,
      fullForMs: breaker?.fullForMs ?? 0,
      cause: breaker?.cause?.message ?? null,
      tenant: own && held ? { forMs: own.heldForMs(record), cause: held.message } : null,
    }
  }

  refusal(record: TenantRecord, server: ServerRecord): Error | undefined {
    const refusal = this.#servers.get(server.id)?.breaker.refusal
    if (refusal) return refusal.isOpen ? circuitOpen(server, refusal.cause) : refusal.cause
    return this.#tenants.get(record.id)?.refusal(record)
  }

  waitMs(server: ServerRecord): number {
    return this.#servers.get(server.id)?.breaker.fullForMs ?? 0
  }

  begin(record: TenantRecord, server: ServerRecord): OpenAttempt {
    const probe = this.#servers.get(server.id)?.breaker.begin()
    return {
      opened: () => this.#opened(record, server, probe),
      failed: (error) => this.#failed(record, server, probe, error),
    }
  }

  #opened(record: TenantRecord, server: ServerRecord, probe: Probe): void {
    this.#tenants.delete(record.id)
    const entry = this.#servers.get(server.id)
    if (entry) this.#observed(entry, () => entry.breaker.opened(probe))
  }

  #failed(record: TenantRecord, server: ServerRecord, probe: Probe, error: Error): OpenVerdict {
    const failure = failureClass(error)
    const entry = this.#servers.get(server.id) ?? { server, breaker: new ServerBreaker(this.#now) }
    entry.server = server
    this.#servers.set(server.id, entry)
    this.#observed(entry, () => entry.breaker.failed(probe, failure, error, record.id), error)
    const tenant = this.#tenantOf(record.id, failure)
    tenant.failed(failure, error, record)
    if (failure === 'full') return { retryInMs: entry.breaker.fullForMs, isServerFull: true }
    return { retryInMs: failure === 'tenant-full' ? tenant.full() : undefined, isServerFull: false }
  }

  /** Tells of a change of state, and forgets a breaker that holds nothing any more. */
  #observed({ breaker, server }: ServerEntry, change: () => void, error?: Error): void {
    const { openMs } = breaker
    const wasOpen = breaker.state !== 'closed'
    change()
    const isOpen = breaker.state !== 'closed'
    if (error && isOpen && !wasOpen) this.#events.emit('breakerOpened', { server: server.id, error })
    if (wasOpen && !isOpen) this.#events.emit('breakerClosed', { server: server.id, openMs })
    if (breaker.isSpotless) this.#servers.delete(server.id)
  }

  #tenantOf(id: TenantId, failure: FailureClass): TenantBreaker {
    const breaker = this.#tenants.get(id) ?? new TenantBreaker(this.#now)
    if (failure === 'interrupted' || failure === 'ours') return breaker
    this.#tenants.delete(id)
    this.#tenants.set(id, breaker)
    for (const oldest of this.#tenants.keys()) {
      if (this.#tenants.size <= MAX_TENANTS) break
      this.#tenants.delete(oldest)
    }
    return breaker
  }
}

function circuitOpen(server: ServerRecord, cause: Error): CircuitOpenError {
  return new CircuitOpenError(`server ${server.id} was not asked: ${cause.message}`, { cause })
}
