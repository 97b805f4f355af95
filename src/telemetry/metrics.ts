import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { ErrorCode } from '../errors.ts'
import type { LimiterStats } from '../limits/limiter.ts'
import type { Directory } from '../registry/directory.ts'
import type { TenantRouter } from '../router/tenant-router.ts'
import { poolGauges } from './pool-gauges.ts'

/** OpenTelemetry's boundaries for database times, and two above for what waits long. */
const SECONDS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30]

/** What is measured. */
export interface MetricsSources {
  readonly router: Pick<TenantRouter, 'stats' | 'on'>
  readonly directory: Pick<Directory, 'stalenessSeconds' | 'stats'>
  readonly version: string
  readonly limits?: { stats(): LimiterStats }
  /** Tenants that get series of their own, those with the most connections; the others are `other`. */
  readonly topTenants?: number
}

/** Prometheus metrics of one service in a registry of their own. Listens to the router until `close()`. */
export class Metrics implements Disposable {
  readonly #registry = new Registry()
  readonly #subscriptions: readonly Disposable[]
  readonly #requestSeconds: Histogram<'route' | 'status'>
  readonly #brokenAnswers: Counter<'code'>
  readonly #auditFailures: Counter
  readonly #readPools: () => void

  constructor({ router, directory, version, limits, topTenants = 20 }: MetricsSources) {
    const registers = [this.#registry]
    collectDefaultMetrics({ register: this.#registry })
    new Gauge({
      name: 'tenantry_build_info',
      help: 'Version of the service and of Node; always 1.',
      labelNames: ['version', 'node'],
      registers,
    }).set({ version, node: process.version }, 1)
    new Gauge({
      name: 'tenantry_registry_staleness_seconds',
      help: 'Seconds since the registry last answered.',
      registers,
      collect() {
        this.set(directory.stalenessSeconds())
      },
    })
    new Counter({
      name: 'tenantry_registry_refused_answers_total',
      help: 'Answers of the registry that were not believed, by reason.',
      labelNames: ['reason'],
      registers,
      collect() {
        this.reset()
        for (const [reason, count] of Object.entries(directory.stats().refused)) this.inc({ reason }, count)
      },
    })
    if (limits !== undefined) limitCounters(limits, registers)
    this.#readPools = poolGauges(router, topTenants, registers)
    this.#requestSeconds = new Histogram({
      name: 'tenantry_request_duration_seconds',
      help: 'Seconds from a request to its answer.',
      labelNames: ['route', 'status'],
      buckets: SECONDS,
      registers,
    })
    this.#brokenAnswers = new Counter({
      name: 'tenantry_broken_answers_total',
      help: 'Answers that failed after their first byte, which their status does not tell, by error code.',
      labelNames: ['code'],
      registers,
    })
    this.#auditFailures = new Counter({
      name: 'tenantry_audit_failures_total',
      help: 'Entries of the audit that could not be written when they were due, and changes lost that waited for the registry.',
      registers,
    })
    this.#subscriptions = subscriptions(router, registers)
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  text(): Promise<string> {
    this.#readPools()
    return this.#registry.metrics()
  }

  /** @param route the pattern, never the path. */
  requestAnswered(route: string, status: number, seconds: number): void {
    this.#requestSeconds.observe({ route, status }, seconds)
  }

  answerBroken(code: ErrorCode): void {
    this.#brokenAnswers.inc({ code })
  }

  auditFailed(): void {
    this.#auditFailures.inc()
  }

  [Symbol.dispose](): void {
    for (const subscription of this.#subscriptions) subscription[Symbol.dispose]()
    this.#registry.clear()
  }
}

function limitCounters(limits: { stats(): LimiterStats }, registers: Registry[]): void {
  new Counter({
    name: 'tenantry_ratelimit_decisions_total',
    help: 'Requests of tenants that have limits, by what was decided.',
    labelNames: ['result'],
    registers,
    collect() {
      this.reset()
      for (const [result, count] of Object.entries(limits.stats().decisions)) this.inc({ result }, count)
    },
  })
  new Counter({
    name: 'tenantry_ratelimit_fallback_total',
    help: 'Requests that were decided on without Redis, which was gone.',
    registers,
    collect() {
      this.reset()
      this.inc(limits.stats().fallbacks)
    },
  })
}

/** Counters and histograms, which need every event. */
function subscriptions(router: Pick<TenantRouter, 'on'>, registers: Registry[]): Disposable[] {
  const leases = new Counter({ name: 'tenantry_leases_total', help: 'Leases handed out.', registers })
  const waitSeconds = new Histogram({
    name: 'tenantry_pool_wait_seconds',
    help: 'Seconds from asking for a connection to having it.',
    buckets: SECONDS,
    registers,
  })
  const createSeconds = new Histogram({
    name: 'tenantry_pool_create_seconds',
    help: 'Seconds to open a connection: TCP, TLS, login, identity check.',
    buckets: SECONDS,
    registers,
  })
  const openFailures = new Counter({
    name: 'tenantry_pool_create_failures_total',
    help: 'Connections that could not be opened.',
    labelNames: ['server', 'code'],
    registers,
  })
  const evictions = new Counter({
    name: 'tenantry_pool_evictions_total',
    help: 'Pools that ended, by reason.',
    labelNames: ['reason'],
    registers,
  })
  const reclaims = new Counter({
    name: 'tenantry_pool_reclaims_total',
    help: 'Idle connections closed to make room for another tenant.',
    registers,
  })
  const timeouts = new Counter({
    name: 'tenantry_pool_timeouts_total',
    help: 'Callers that got no connection in time, by the budget that was full.',
    labelNames: ['scope'],
    registers,
  })
  const refusals = new Counter({
    name: 'tenantry_pool_refusals_total',
    help: 'Leases refused, by error code.',
    labelNames: ['code'],
    registers,
  })
  return [
    router.on('leased', ({ waitedMs }) => {
      leases.inc()
      waitSeconds.observe(waitedMs / 1000)
    }),
    router.on('opened', ({ ms }) => createSeconds.observe(ms / 1000)),
    router.on('openFailed', ({ server, code }) => openFailures.inc({ server, code })),
    router.on('evicted', ({ reason }) => evictions.inc({ reason })),
    router.on('reclaimed', () => reclaims.inc()),
    router.on('refused', ({ code, scope }) => {
      refusals.inc({ code })
      if (code === 'acquire_timeout') timeouts.inc({ scope: scope ?? 'none' })
    }),
  ]
}
