import type { Trust } from '../connection/connection.ts'
import { InvalidRequestError } from '../errors.ts'
import type { ResolvedRouterOptions } from './options.ts'

/** The terms of one lease, or of each that a handle takes. */
export interface LeaseOptions {
  /** Whose SQL will run. Default: the team's own. */
  readonly trust?: Trust
  /**
   * `batch` is for sweeps and jobs over many tenants: a share of its own, and no hot pool ends for it. Where all
   * that a budget allows is in use by hot pools, it waits for as long as that lasts, up to its deadline.
   */
  readonly class?: 'interactive' | 'batch'
  /** Ends the wait for a connection. It does not end a lease that was given. */
  readonly signal?: AbortSignal
  /** Milliseconds; default: the router's, and for `batch` 30 s where that is longer. */
  readonly acquireTimeoutMs?: number
  /** Milliseconds, at most the router's, which is the default. */
  readonly leaseTimeoutMs?: number
  /** Refuse rather than open the tenant's first connection. */
  readonly onlyIfWarm?: boolean
  /**
   * Whether what SET, LISTEN, temporary tables or session locks leave must hold from one transaction to the next,
   * which a transaction pooler cannot. Default: true for `lease()`, false for `withTenant()`, `transaction()` and `sql()`.
   */
  readonly keepsSession?: boolean
}

/** `LeaseOptions` with nothing left out. */
export interface LeaseTerms {
  readonly trust: Trust
  readonly class: 'interactive' | 'batch'
  readonly signal: AbortSignal | undefined
  readonly acquireTimeoutMs: number
  readonly leaseTimeoutMs: number
  readonly onlyIfWarm: boolean
  readonly keepsSession: boolean
}

/** A pool is hot for 10 s: whoever gave up before then would never outlast one. */
const BATCH_ACQUIRE_MS = 30_000
/** Node fires a longer timer at once. */
const MAX_TIMER_MS = 2_147_483_647

/**
 * By hand, since it is done for each lease.
 * @throws {InvalidRequestError} naming the option and what is allowed.
 */
export function leaseTerms(options: LeaseOptions, router: ResolvedRouterOptions): LeaseTerms {
  const {
    trust = 'application',
    class: leaseClass = 'interactive',
    acquireTimeoutMs = leaseClass === 'batch'
      ? Math.max(router.acquireTimeoutMs, BATCH_ACQUIRE_MS)
      : router.acquireTimeoutMs,
    leaseTimeoutMs = router.leaseTimeoutMs,
  } = options
  if (trust !== 'application' && trust !== 'foreign') refuse('trust', 'application or foreign')
  if (leaseClass !== 'interactive' && leaseClass !== 'batch') refuse('class', 'interactive or batch')
  refuseOutside('acquireTimeoutMs', acquireTimeoutMs, MAX_TIMER_MS)
  // The server ends what is idle in a transaction for longer than the router's own deadline.
  refuseOutside('leaseTimeoutMs', leaseTimeoutMs, router.leaseTimeoutMs)
  const { signal, onlyIfWarm = false, keepsSession = true } = options
  return { trust, class: leaseClass, signal, acquireTimeoutMs, leaseTimeoutMs, onlyIfWarm, keepsSession }
}

function refuseOutside(name: string, value: number, max: number): void {
  if (!Number.isInteger(value) || value < 1 || value > max) refuse(name, `a whole number from 1 to ${max}`)
}

function refuse(name: string, allowed: string): never {
  throw new InvalidRequestError(`The lease option ${name} must be ${allowed}.`)
}
