import type { Allowance } from './plans.ts'

/**
 * Who counted: Redis for all processes, this process its share (`local`), this process because Redis is gone
 * (`fallback`), or nobody because Redis is gone (`none`).
 */
export type Basis = 'redis' | 'local' | 'fallback' | 'none'

/** How a tenant stands to its limits. */
export interface Standing {
  readonly allowance: Allowance
  readonly basis: Basis
  /** Requests that the window still has room for; null where they are not limited, or nobody counts. */
  readonly remaining: number | null
  /** Milliseconds until some of what was used comes back. */
  readonly resetMs: number
  /** Requests under way; null where they are not limited, or nobody counts. */
  readonly active: number | null
}

/** What counting one request gave. */
export interface Count {
  readonly result: 'allowed' | 'rate_limited' | 'concurrency_limited'
  readonly remaining: number | null
  readonly resetMs: number
  readonly active: number | null
}
