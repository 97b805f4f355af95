import type { TenantId } from '../../tenant/tenant-id.ts'
import type { FailureClass } from './failure-class.ts'

export type BreakerState = 'closed' | 'half-open' | 'open'

/** Unanswered attempts that open the breaker: so many, of so many tenants, within the window, and none answered between. */
const DOUBTS = 3
const DOUBTING_TENANTS = 2
const DOUBT_WINDOW_MS = 15_000
/** Between the beginnings of two probes, at least; up to a fifth more, so that replicas do not probe in step. */
const PROBE_MS = 1_000
/** After an answer "starting" or "stopping": nobody asks again for so long. */
const PAUSE_MS = 500
/** After "too many connections": nobody asks again for so long, then twice as long, up to the last. */
const FULL_FIRST_MS = 50
const FULL_MAX_MS = 1_000

/** Of these the server knows nothing, or they say nothing of it. */
const SILENT: ReadonlySet<FailureClass> = new Set(['interrupted', 'ours', 'unasked'])

interface Closed {
  readonly name: 'closed'
  /** Attempts that the server did not answer, since it last answered one. */
  doubts: { readonly tenant: TenantId; readonly at: number }[]
}

/** From one opening of the breaker to its closing. */
interface Open {
  readonly name: 'open'
  readonly since: number
  /** What the last attempt failed with. */
  cause: Error
  probeNotBefore: number
  /** Probes under way. */
  probing: number
}

/** A probe counts for the time in which it began; undefined for other attempts. */
export type Probe = Open | undefined

/**
 * Whether a server is worth a connection attempt. closed → open when it cannot be reached; open → closed with
 * the first attempt that it answers, whatever the answer. While open, one attempt a second passes: it is half
 * open while such a probe is under way. Probes may overlap: one that hangs does not keep the next from finding
 * that all is well.
 * Invariants: in `open`, no two attempts begin within `PROBE_MS`; in `closed`, none begins before `#pausedUntil`
 * or `#fullUntil`; who holds an open connection is never asked to stop.
 */
export class ServerBreaker {
  readonly #now: () => number
  #state: Closed | Open = { name: 'closed', doubts: [] }
  /** The server is starting or stopping. */
  #pausedUntil = Number.NEGATIVE_INFINITY
  #pausedBy: Error | undefined
  /** The server has no place. */
  #fullUntil = Number.NEGATIVE_INFINITY
  #fullAnswers = 0

  /** @param now monotonic milliseconds. */
  constructor(now: () => number) {
    this.#now = now
  }

  get state(): BreakerState {
    if (this.#state.name === 'closed') return 'closed'
    return this.#state.probing > 0 ? 'half-open' : 'open'
  }

  /** It holds nothing against the server that a new one would not. */
  get isSpotless(): boolean {
    if (this.#state.name === 'open' || this.#now() < this.#pausedUntil) return false
    return this.#state.doubts.length === 0 && this.#fullAnswers === 0
  }

  /** Milliseconds that it has been open. */
  get openMs(): number {
    return this.#state.name === 'open' ? this.#now() - this.#state.since : 0
  }

  /** Why no attempt may begin now for those who need a new connection: `isOpen`, or the server's own words. */
  get refusal(): { readonly isOpen: boolean; readonly cause: Error } | undefined {
    const now = this.#now()
    if (this.#state.name === 'open') {
      const { cause, probeNotBefore } = this.#state
      return now < probeNotBefore ? { isOpen: true, cause } : undefined
    }
    return now < this.#pausedUntil && this.#pausedBy ? { isOpen: false, cause: this.#pausedBy } : undefined
  }

  /** Milliseconds until the next attempt may pass; 0 while all may. */
  get nextAttemptInMs(): number {
    const until = this.#state.name === 'open' ? this.#state.probeNotBefore : this.#pausedUntil
    return Math.max(0, until - this.#now())
  }

  /** What it is open for, or paused. */
  get cause(): Error | undefined {
    if (this.#state.name === 'open') return this.#state.cause
    return this.#now() < this.#pausedUntil ? this.#pausedBy : undefined
  }

  /** Milliseconds for which nobody asks for a place on a full server. */
  get fullForMs(): number {
    return Math.max(0, this.#fullUntil - this.#now())
  }

  /** An attempt begins: `opened` or `failed` must follow, with what this returns. */
  begin(): Probe {
    if (this.#state.name === 'closed') return undefined
    this.#state.probing++
    this.#state.probeNotBefore = this.#now() + jittered(PROBE_MS)
    return this.#state
  }

  /** One of our own connections to it has closed: there may be a place. */
  noteRoom(): void {
    this.#fullUntil = Number.NEGATIVE_INFINITY
  }

  /** The attempt got a connection. */
  opened(probe: Probe): void {
    if (probe) probe.probing--
    this.#close()
    this.#pausedUntil = Number.NEGATIVE_INFINITY
    this.#fullAnswers = 0
    this.#fullUntil = Number.NEGATIVE_INFINITY
  }

  failed(probe: Probe, failure: FailureClass, error: Error, tenant: TenantId): void {
    if (probe) probe.probing--
    if (failure === 'unreachable') this.#open(error)
    else if (failure === 'unanswered') this.#doubt(error, tenant)
    else if (!SILENT.has(failure)) this.#answered(failure, error)
  }

  #answered(failure: FailureClass, error: Error): void {
    this.#close()
    const now = this.#now()
    if (failure === 'starting') {
      this.#pausedUntil = now + jittered(PAUSE_MS)
      this.#pausedBy = error
    }
    // Of several that were under way together, the first decides.
    if (failure === 'full' && now >= this.#fullUntil) {
      this.#fullUntil = now + jittered(Math.min(FULL_FIRST_MS * 2 ** this.#fullAnswers++, FULL_MAX_MS))
    }
  }

  #doubt(error: Error, tenant: TenantId): void {
    const state = this.#state
    if (state.name === 'open') {
      state.cause = error
      return
    }
    const at = this.#now()
    state.doubts = state.doubts.filter((doubt) => at - doubt.at < DOUBT_WINDOW_MS).slice(1 - DOUBTS * 4)
    state.doubts.push({ tenant, at })
    const tenants = new Set(state.doubts.map((doubt) => doubt.tenant))
    if (state.doubts.length >= DOUBTS && tenants.size >= DOUBTING_TENANTS) this.#open(error)
  }

  #open(cause: Error): void {
    if (this.#state.name === 'open') {
      this.#state.cause = cause
      return
    }
    const since = this.#now()
    this.#state = { name: 'open', since, cause, probeNotBefore: since + jittered(PROBE_MS), probing: 0 }
  }

  #close(): void {
    if (this.#state.name === 'open') this.#state = { name: 'closed', doubts: [] }
    else this.#state.doubts = []
  }
}

function jittered(ms: number): number {
  return ms * (1 + Math.random() * 0.2)
}
