import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import type { ResolvedLoadOptions } from './load-options.ts'
import type { LoadTarget } from './load-target.ts'
import { judge, probeBody } from './probe-query.ts'
import { QueryClient } from './query-client.ts'
import { TenantPicker } from './tenant-picker.ts'

/** A target that refuses every connection is asked this often by each worker, not as fast as it refuses. */
const PAUSE_AFTER_FAILED_CONNECTION_MS = 50
const WRONG_ANSWERS_KEPT = 10

export interface WrongAnswer {
  readonly tenant: string
  readonly expected: string
  readonly found: string
}

export interface LoadOutcome {
  /** Right answers. */
  readonly answers: number
  /** What the measured part took. */
  readonly seconds: number
  readonly requestsPerSecond: number
  /** Milliseconds, of right answers. */
  readonly latency: { readonly p50: number; readonly p99: number; readonly max: number }
  /** Problem code or transport error → how often. */
  readonly errors: Readonly<Record<string, number>>
  readonly wrong: number
  /** The first of them. */
  readonly wrongAnswers: readonly WrongAnswer[]
  readonly tenantsAsked: number
}

export interface LoadHooks {
  /** Called and waited for when the warm-up is over, while no request is under way. */
  readonly beforeMeasuring?: () => Promise<void>
  readonly signal?: AbortSignal
}

/**
 * Asks the target in a closed loop, first to warm up and then to measure. Ends when the time or the requests
 * are used up, or on abort; requests under way then are waited for.
 */
export async function runLoad(
  target: LoadTarget,
  options: ResolvedLoadOptions,
  hooks: LoadHooks = {},
): Promise<LoadOutcome> {
  using client = new QueryClient(target.url, target.key, {
    connections: options.workers,
    timeoutMs: options.timeoutMs,
  })
  const loop = new ClosedLoop(client, target, options, hooks.signal)
  if (options.warmupSeconds > 0) await loop.run(options.warmupSeconds, new Tally())
  await hooks.beforeMeasuring?.()
  const tally = new Tally()
  const started = performance.now()
  await loop.run(options.seconds, tally)
  return tally.outcome((performance.now() - started) / 1000)
}

class ClosedLoop {
  readonly #client: QueryClient
  readonly #tenants: readonly (readonly [id: string, database: string])[]
  readonly #picker: TenantPicker
  readonly #options: ResolvedLoadOptions
  readonly #body: string
  readonly #signal: AbortSignal | undefined
  #requestsLeft: number

  constructor(
    client: QueryClient,
    target: LoadTarget,
    options: ResolvedLoadOptions,
    signal: AbortSignal | undefined,
  ) {
    this.#client = client
    this.#tenants = Object.entries(target.tenants)
    this.#picker = new TenantPicker(this.#tenants.length, options.zipf, options.seed)
    this.#options = options
    this.#body = probeBody(options.rows)
    this.#signal = signal
    this.#requestsLeft = options.maxRequests
  }

  async run(seconds: number, tally: Tally): Promise<void> {
    const deadline = performance.now() + seconds * 1000
    const workers = Array.from({ length: this.#options.workers }, () => this.#work(deadline, tally))
    await Promise.all(workers)
  }

  async #work(deadline: number, tally: Tally): Promise<void> {
    while (performance.now() < deadline && this.#requestsLeft > 0 && !this.#signal?.aborted) {
      this.#requestsLeft--
      const [tenant, database] = this.#tenants[this.#picker.next()] ?? ['', '']
      const started = performance.now()
      try {
        const answer = await this.#client.post(tenant, this.#body)
        const ms = performance.now() - started
        const verdict = judge(answer, database, this.#options.rows)
        if (verdict.kind === 'right') tally.right(tenant, ms)
        else if (verdict.kind === 'failed') tally.failed(verdict.code)
        else tally.wrong({ tenant, expected: database, found: verdict.found })
      } catch (error) {
        tally.failed(transportCode(error))
        await delay(PAUSE_AFTER_FAILED_CONNECTION_MS)
      }
    }
  }
}

class Tally {
  /** Microseconds. */
  readonly #latency: RecordableHistogram = createHistogram()
  readonly #errors = new Map<string, number>()
  readonly #wrongAnswers: WrongAnswer[] = []
  readonly #tenants = new Set<string>()
  #wrong = 0

  right(tenant: string, ms: number): void {
    this.#tenants.add(tenant)
    this.#latency.record(Math.max(1, Math.round(ms * 1000)))
  }

  failed(code: string): void {
    this.#errors.set(code, (this.#errors.get(code) ?? 0) + 1)
  }

  wrong(answer: WrongAnswer): void {
    this.#wrong++
    if (this.#wrongAnswers.length < WRONG_ANSWERS_KEPT) this.#wrongAnswers.push(answer)
  }

  outcome(seconds: number): LoadOutcome {
    const answers = this.#latency.count
    const percentile = (p: number) => (answers === 0 ? 0 : this.#latency.percentile(p) / 1000)
    return {
      answers,
      seconds,
      requestsPerSecond: answers / seconds,
      latency: {
        p50: percentile(50),
        p99: percentile(99),
        max: answers === 0 ? 0 : this.#latency.max / 1000,
      },
      errors: Object.fromEntries([...this.#errors].toSorted(([a], [b]) => (a < b ? -1 : 1))),
      wrong: this.#wrong,
      wrongAnswers: this.#wrongAnswers,
      tenantsAsked: this.#tenants.size,
    }
  }
}

function transportCode(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  if (error.name === 'TimeoutError') return 'timeout'
  const code: unknown = Reflect.get(error, 'code')
  return typeof code === 'string' ? code : error.name
}
