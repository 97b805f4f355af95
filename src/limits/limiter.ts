import { createHash } from 'node:crypto'
import { z } from 'zod'
import {
  ConcurrencyLimitedError,
  RateLimitedError,
  RedisUnavailableError,
  type TenantryError,
  TenantUnknownError,
} from '../errors.ts'
import type { Directory } from '../registry/directory.ts'
import type { Registry } from '../registry/registry.ts'
import type { TenantId } from '../tenant/tenant-id.ts'
import type { TenantRecord } from '../tenant/tenant-record.ts'
import { type Allowance, allowanceOf, Plans } from './plans.ts'
import { shareOf } from './rate.ts'
import { SharedCounts } from './shared-counts.ts'
import type { CountingRedis } from './slots.ts'
import type { Basis, Count, Standing } from './standing.ts'
import { type Share, Tallies, type Tally } from './tally.ts'

export const LimiterOptions = z.strictObject({
  /** What each plan allows. Default: only what tenants' own records limit. */
  plans: Plans.prefault({}),
  /** Processes that share the limits: what each lets in where Redis does not count for all is divided by it. */
  replicas: z.int().min(1).max(1_000).default(1),
  /** While Redis is gone: each process lets in its share, or everything, or nothing (503 `redis_unavailable`). */
  withoutRedis: z.enum(['local', 'open', 'closed']).default('local'),
})
/** What tenants may do, and what holds while Redis is gone. */
export type LimiterOptions = z.input<typeof LimiterOptions>

export interface LimiterParts {
  readonly router: {
    readonly directory: Pick<Directory, 'tenant'>
    readonly registry: Pick<Registry, 'id'>
  }
  /** Counts for all processes; it stays the caller's. Without it each process counts its share. */
  readonly redis?: CountingRedis | undefined
  /** Closes what the limiter was given for itself alone. */
  readonly onClosed?: () => Promise<void>
  /** Milliseconds that a slot of a process that is gone stays taken. Default: 10,000. */
  readonly slotMs?: number
  /** Wall clock that overrides end by, ms. */
  readonly now?: () => number
}

/** As `LimiterOptions`, with what the limiter works on. */
export interface CreateLimiterOptions extends LimiterOptions {
  /** Whose tenants they are; the limiter closes with it. */
  readonly router: LimiterParts['router'] & { atClose(close: () => Promise<void>): void }
  /** Counts for all processes; it stays the caller's. Without it each process counts its share. */
  readonly redis?: CountingRedis
}

/** @throws a `ZodError` where an option is none. */
export function createLimiter({ router, redis, ...options }: CreateLimiterOptions): Limiter {
  const limiter = new Limiter({ router, redis }, options)
  router.atClose(() => limiter.close())
  return limiter
}

/** One request that was asked about. */
export type Admission =
  | {
      readonly isAdmitted: true
      readonly standing: Standing
      /** To be disposed of when the request is over, streams included. */
      readonly passage: Disposable
    }
  | { readonly isAdmitted: false; readonly standing: Standing; readonly refusal: TenantryError }

/** What a limiter has decided since it was made. */
export interface LimiterStats {
  /** Requests of tenants that have limits, by what became of them. */
  readonly decisions: Readonly<Record<Count['result'] | 'redis_unavailable', number>>
  /** Those that were decided on while Redis was gone. */
  readonly fallbacks: number
}

/** Says whether a request of a tenant may run now, by its plan and its own limits, until `close()`. */
export class Limiter implements AsyncDisposable {
  readonly #parts: LimiterParts
  readonly #options: z.output<typeof LimiterOptions>
  readonly #shared: SharedCounts | undefined
  readonly #tallies = new Tallies()
  readonly #decisions = { allowed: 0, rate_limited: 0, concurrency_limited: 0, redis_unavailable: 0 }
  #fallbacks = 0

  constructor(parts: LimiterParts, options: LimiterOptions = {}) {
    this.#parts = parts
    this.#options = LimiterOptions.parse(options)
    this.#shared = parts.redis === undefined ? undefined : new SharedCounts(parts.redis, parts.slotMs)
  }

  /** As `enter`, of the tenant that the registry knows by that id. @throws {TenantUnknownError | RegistryUnavailableError} */
  async enterTenant(tenant: TenantId, signal?: AbortSignal): Promise<Admission> {
    const entry = await this.#parts.router.directory.tenant(tenant, signal)
    if (entry === undefined) throw new TenantUnknownError(`tenant ${tenant} is not in the registry`)
    return this.enter(entry.record)
  }

  /** Counts one request. Waits for Redis for as long as its connection's deadline, and not at all while that is gone. */
  async enter(record: TenantRecord): Promise<Admission> {
    const allowance = this.#allowanceOf(record)
    if (allowance.rate === null && allowance.concurrency === null) return unlimited(allowance)
    const name = this.#nameOf(record)
    const tally = this.#tallies.of(name)
    const share = this.#shareOf(allowance)
    if (this.#shared === undefined) return this.#locally(tally, share, allowance, 'local')
    const shared = await this.#shared.enter(name, allowance)
    if (shared === undefined) return this.#withoutRedis(tally, share, allowance)
    const { count, release } = shared
    if (count.result === 'allowed') tally.note(share, performance.now())
    return this.#admission(count, allowance, 'redis', () => {
      tally.leave()
      release?.()
    })
  }

  /** How the tenant stands; counts nothing. */
  async look(record: TenantRecord): Promise<Standing> {
    const allowance = this.#allowanceOf(record)
    if (allowance.rate === null && allowance.concurrency === null) return unlimited(allowance).standing
    const name = this.#nameOf(record)
    const shared = await this.#shared?.look(name, allowance)
    if (shared !== undefined) return standingOf(shared, allowance, 'redis')
    const basis = this.#shared === undefined ? 'local' : 'fallback'
    if (basis === 'fallback' && this.#options.withoutRedis !== 'local') return uncounted(allowance)
    const count = this.#tallies.of(name).look(this.#shareOf(allowance), performance.now())
    return standingOf(count, allowance, basis)
  }

  stats(): LimiterStats {
    return { decisions: { ...this.#decisions }, fallbacks: this.#fallbacks }
  }

  /** Of Redis only what it would forget on its own is left. */
  async close(): Promise<void> {
    this.#shared?.close()
    await this.#parts.onClosed?.()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #allowanceOf(record: TenantRecord): Allowance {
    return allowanceOf(record, this.#options.plans, (this.#parts.now ?? Date.now)())
  }

  /** Another tenant's, a later tenant's of that id, or another registry's is another name. */
  #nameOf({ id, generation }: TenantRecord): string {
    const parts = JSON.stringify([this.#parts.router.registry.id, id, generation])
    return `tenantry:limits:{${createHash('sha256').update(parts).digest('base64url')}}`
  }

  #shareOf({ rate, concurrency }: Allowance): Share {
    const { replicas } = this.#options
    return {
      rate: rate === null ? null : shareOf(rate, replicas),
      concurrency: concurrency === null ? null : Math.max(1, Math.floor(concurrency / replicas)),
    }
  }

  #withoutRedis(tally: Tally, share: Share, allowance: Allowance): Admission {
    this.#fallbacks++
    if (this.#options.withoutRedis === 'local') return this.#locally(tally, share, allowance, 'fallback')
    const standing = uncounted(allowance)
    if (this.#options.withoutRedis === 'closed') {
      this.#decisions.redis_unavailable++
      const refusal = new RedisUnavailableError('limits cannot be counted, and none passes uncounted')
      return { isAdmitted: false, standing, refusal }
    }
    this.#decisions.allowed++
    tally.note(share, performance.now())
    return { isAdmitted: true, standing, passage: passage(() => tally.leave()) }
  }

  #locally(tally: Tally, share: Share, allowance: Allowance, basis: Basis): Admission {
    const count = tally.enter(share, performance.now())
    return this.#admission(count, allowance, basis, () => tally.leave())
  }

  #admission(count: Count, allowance: Allowance, basis: Basis, leave: () => void): Admission {
    this.#decisions[count.result]++
    const standing = standingOf(count, allowance, basis)
    if (count.result === 'allowed') return { isAdmitted: true, standing, passage: passage(leave) }
    const refusal =
      count.result === 'rate_limited'
        ? new RateLimitedError(
            allowance.rate?.requestsPerMinute ?? 0,
            Math.max(1, Math.ceil(count.resetMs / 1_000)),
          )
        : new ConcurrencyLimitedError(allowance.concurrency ?? 0)
    return { isAdmitted: false, standing, refusal }
  }
}

/** Leaves once, however often it is disposed of. */
function passage(leave: () => void): Disposable {
  let isOver = false
  return {
    [Symbol.dispose]: () => {
      if (isOver) return
      isOver = true
      leave()
    },
  }
}

function standingOf({ remaining, resetMs, active }: Count, allowance: Allowance, basis: Basis): Standing {
  return { allowance, basis, remaining, resetMs, active }
}

function uncounted(allowance: Allowance): Standing {
  return { allowance, basis: 'none', remaining: null, resetMs: 0, active: null }
}

function unlimited(allowance: Allowance): Extract<Admission, { isAdmitted: true }> {
  const standing: Standing = { allowance, basis: 'local', remaining: null, resetMs: 0, active: null }
  return { isAdmitted: true, standing, passage: passage(() => undefined) }
}
