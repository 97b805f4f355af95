import { performance } from 'node:perf_hooks'

/** Part of a scope's limit up to which a tenant may grow after one service time of waiting. */
const CALM_FILL = 0.8
/** Service times that a waiter must have waited before its tenant grows in a scope fuller than that. */
const CROWDED_WAITS = 4
/** Waiters that waited little each are the same evidence together, once they have waited this many times as long. */
const WAITS_TOGETHER = 16
/** Where the event loop is at work, so many times what is enough where it is not, and never more than the second. */
const BUSY_WAITS = 8
const BUSY_MAX_MS = 500

export interface GrowthEvidence {
  /** Milliseconds the tenant's oldest waiter has waited while this process had nothing to do. */
  readonly waitedMs: number
  /** Milliseconds it has waited in all. */
  readonly sinceArrivalMs: number
  /** The same of all who waited, one after the other, since a connection of the tenant was last idle. */
  readonly waitedTogetherMs: number
  /** Smoothed milliseconds that a lease of this tenant is out. */
  readonly serviceMs: number
  /** The floor: no growth before this. */
  readonly growAfterMs: number
  /** Permits out of the fullest scope, as a part of its limit. */
  readonly fill: number
}

/**
 * Milliseconds until a tenant that has a connection may open another, at the earliest; 0 or less: now.
 * The evidence is that its oldest waiter waited for the server longer than a lease lasts: below that, the
 * connection it has comes back sooner than a new one would be there. Or that somebody waits all the time, each
 * for a little: eight callers on seven connections. Time in which the event loop was at work is weak evidence:
 * whoever waits for this process's CPU would wait longer with more connections. Yet a queue of several for each
 * connection is one that a further connection shortens, and a loop that always has work must starve nobody.
 */
export function growsInMs(evidence: GrowthEvidence): number {
  const { growAfterMs, serviceMs, waitedMs, sinceArrivalMs, waitedTogetherMs, fill } = evidence
  const waits = fill < CALM_FILL ? 1 : CROWDED_WAITS
  const enoughMs = Math.max(growAfterMs, serviceMs * waits)
  const enoughWhileBusyMs = Math.max(enoughMs, Math.min(enoughMs * BUSY_WAITS, BUSY_MAX_MS))
  return Math.min(
    enoughMs - waitedMs,
    enoughMs * WAITS_TOGETHER - waitedTogetherMs,
    enoughWhileBusyMs - sinceArrivalMs,
  )
}

/** Milliseconds that this thread's event loop has had nothing to do, so far. Costs less than reading the clock. */
export function loopIdleMs(): number {
  return performance.eventLoopUtilization().idle
}
