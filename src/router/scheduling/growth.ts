/** Part of a scope's limit up to which a tenant may grow after one service time of waiting. */
const CALM_FILL = 0.8
/** Service times that a waiter must have waited before its tenant grows in a scope fuller than that. */
const CROWDED_WAITS = 4

export interface GrowthEvidence {
  /** Milliseconds the tenant's oldest waiter has waited. */
  readonly waitedMs: number
  /** Smoothed milliseconds that a lease of this tenant is out. */
  readonly serviceMs: number
  /** The floor: no growth before this. */
  readonly growAfterMs: number
  /** Permits out of the fullest scope, as a part of its limit. */
  readonly fill: number
}

/**
 * Milliseconds until a tenant that has a connection may open another; 0 or less: now.
 * The evidence is that its oldest waiter waited longer than a lease lasts: below that, the connection it
 * has will come back sooner than a new one would be there.
 */
export function growsInMs(evidence: GrowthEvidence): number {
  const waits = evidence.fill < CALM_FILL ? 1 : CROWDED_WAITS
  return Math.max(evidence.growAfterMs, evidence.serviceMs * waits) - evidence.waitedMs
}
