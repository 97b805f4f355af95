import { LRUCache } from 'lru-cache'
import { type ErrorCode, TenantryError } from '../errors.ts'
import type { TenantId } from '../tenant/tenant-id.ts'
import { failureClass } from './breaker/failure-class.ts'
import type { EventHub } from './events.ts'

/** Tenants that are remembered: those with the latest trouble. */
const MAX_TENANTS = 1_000
/** Runs of refusals that are kept of one tenant, the latest ones. */
const MAX_RUNS = 8
/** Refusals of one kind that come within so long of each other are one run. */
const RUN_GAP_MS = 60_000
/** What the caller asked for himself: nothing is wrong. */
const OWN_WISH: ReadonlySet<ErrorCode> = new Set(['not_warm', 'cancelled'])
const MAX_WHY = 300

/** Refusals of one kind, one soon after the other. Times are of the wall clock, in milliseconds. */
export interface RefusalRun {
  readonly code: ErrorCode
  /** The limit that was full; null where none was. */
  readonly scope: string | null
  readonly firstAt: number
  readonly lastAt: number
  readonly count: number
}

/** Something that went wrong once. */
export interface Mishap {
  readonly at: number
  readonly code: ErrorCode
  /** In our own words; null for an error that is not of ours. */
  readonly why: string | null
  /** Where the server said that it takes no more connections (53300): at all, or of this role or database. */
  readonly full: 'server' | 'tenant' | null
}

/** What went wrong for tenants of late, bounded, so that an operator can ask when it is over. */
export class RecentTrouble {
  readonly #now: () => number
  readonly #runs = new LRUCache<TenantId, RefusalRun[]>({ max: MAX_TENANTS })
  readonly #openFailures = new LRUCache<TenantId, Mishap>({ max: MAX_TENANTS })
  readonly #fences = new LRUCache<TenantId, Mishap>({ max: MAX_TENANTS })

  /** @param now wall clock, in milliseconds. */
  constructor(events: EventHub, now: () => number = Date.now) {
    this.#now = now
    events.on('refused', ({ tenant, code, scope }) => this.#refused(tenant, code, scope ?? null))
    events.on('openFailed', ({ tenant, code, error }) =>
      this.#openFailures.set(tenant, this.#mishap(code, error)),
    )
    events.on('fenced', ({ tenant, error }) =>
      this.#fences.set(tenant, this.#mishap('identity_mismatch', error)),
    )
  }

  /** The latest first. */
  refusalsOf(tenant: TenantId): readonly RefusalRun[] {
    return this.#runs.get(tenant) ?? []
  }

  /** The last opening that failed, whatever came after it. */
  openFailureOf(tenant: TenantId): Mishap | undefined {
    return this.#openFailures.get(tenant)
  }

  /** The last time that its database proved to be another's, whether that holds still or not. */
  fenceOf(tenant: TenantId): Mishap | undefined {
    return this.#fences.get(tenant)
  }

  #refused(tenant: TenantId, code: ErrorCode, scope: string | null): void {
    if (OWN_WISH.has(code)) return
    const at = this.#now()
    const runs = this.#runs.get(tenant) ?? []
    const [latest] = runs
    const goesOn = latest?.code === code && latest.scope === scope && at - latest.lastAt < RUN_GAP_MS
    if (latest && goesOn) runs[0] = { ...latest, lastAt: at, count: latest.count + 1 }
    else runs.unshift({ code, scope, firstAt: at, lastAt: at, count: 1 })
    this.#runs.set(tenant, runs.slice(0, MAX_RUNS))
  }

  #mishap(code: ErrorCode, error: Error): Mishap {
    const why = error instanceof TenantryError ? error.message.slice(0, MAX_WHY) : null
    return { at: this.#now(), code, why, full: fullOf(error) }
  }
}

function fullOf(error: Error): Mishap['full'] {
  const failure = failureClass(error)
  if (failure === 'full') return 'server'
  return failure === 'tenant-full' ? 'tenant' : null
}
