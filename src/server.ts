import type { ServiceSettings } from './config.ts'
import { OperationStreams } from './http/admin/operation-streams.ts'
import { PoolEventStreams } from './http/admin/pool-event-streams.ts'
import { ClientLimit, clientLimits } from './http/client-limit.ts'
import { Health } from './http/health.ts'
import { Listener } from './http/listener.ts'
import { LoopLag } from './http/loop-lag.ts'
import { isLoopback } from './http/loopback.ts'
import { Mutations } from './http/mutations.ts'
import { operatorApp } from './http/operator-app.ts'
import { tenantApp } from './http/tenant-app.ts'
import { ownKeys } from './lifecycle/own-keys.ts'
import type { LifecycleParts } from './lifecycle/parts.ts'
import { ServiceMeans } from './lifecycle/postponed/service-means.ts'
import { Upkeep } from './lifecycle/upkeep.ts'
import type { Limiter } from './limits/limiter.ts'
import { openLimiter } from './limits/open-limiter.ts'
import { announcing } from './registry/announcing-registry.ts'
import { MasterKeys } from './registry/master-keys.ts'
import { RegistryAccess } from './registry/registry-access.ts'
import { CallerResolver } from './resolve/caller-resolver.ts'
import { KeyVerifier } from './resolve/key-verifier.ts'
import { lateOpener } from './router/late-opener.ts'
import { TenantRouter } from './router/tenant-router.ts'
import { type Log, openLog } from './telemetry/log.ts'
import { Metrics } from './telemetry/metrics.ts'
import { logRouter } from './telemetry/router-log.ts'
import { auditFaults, ServiceAudit } from './telemetry/service-audit.ts'
import { logUpkeep } from './telemetry/upkeep-log.ts'
import { VERSION } from './telemetry/version.ts'

/** A running service. Whoever started it closes it. */
export interface Service extends AsyncDisposable {
  /** Of the tenant plane. */
  readonly url: string
  /** Of the operator plane. */
  readonly opsUrl: string
  /**
   * Not ready from now on; accepts nothing new, lets requests under way end for as long as the drain timeout,
   * cuts the rest, and closes everything. Safe to call again: everyone gets the same promise.
   */
  close(): Promise<void>
}

export interface ServiceOptions {
  /** Default: JSON lines to standard output. */
  readonly log?: Log
}

/** Milliseconds above the sum of a request's parts, so that the part at fault is what the answer names. */
const REQUEST_MARGIN_MS = 2_000
/** Milliseconds before the planes answer without the registry: probes, and SIGTERM, are not kept waiting for it. */
const REGISTRY_WAIT_MS = 2_000
/** Milliseconds of a request of the operator plane: making a tenant waits for the server's disk. */
const OPERATOR_TIMEOUT_MS = 300_000
/** Milliseconds that requests of the operator plane may take to end when all else has. */
const OPERATOR_DRAIN_MS = 1_000
/** A schema may come with a tenant. */
const OPERATOR_BODY_BYTES = 16_777_216

/**
 * Starts both planes; resolves when they answer. A registry that does not is tried on: the service is ready when
 * it opens, or at once where a snapshot stands in for it.
 * @throws {InvalidConfigError | InvalidDsnError | RegistryTooNewError | RegistryTooOldError} and
 * Node's error where a port cannot be had; nothing is left open then.
 */
export async function startService(
  settings: ServiceSettings,
  options: ServiceOptions = {},
): Promise<Service> {
  const log = options.log ?? openLog(settings.logLevel)
  const sealers = sealersOf(settings)
  const access = await RegistryAccess.start({
    url: settings.registryUrl,
    keys: MasterKeys.fromText(settings.masterKey),
    staleMaxMs: settings.staleMaxMs,
    snapshotFile: settings.snapshotFile,
    waitMs: REGISTRY_WAIT_MS,
    migrate: settings.migrate,
    onFault: (fault) => log.warn({ err: fault }, 'registry'),
  })
  const redisGone = (err: Error) => log.warn({ err }, 'redis is gone')
  const limiter = await openLimiter(access, settings, redisGone).catch(async (error: unknown) => {
    await access.close()
    throw error
  })
  const core = new Core(settings, access, limiter, sealers, log)
  try {
    const stallMs = settings.streamStallTimeoutMs
    const [operatorDeps, tenantDeps] = [core.operatorDeps(), core.tenantDeps()]
    const operator = await Listener.open(operatorApp(operatorDeps), {
      stallMs,
      requestTimeoutMs: operatorDeps.requestTimeoutMs,
      host: settings.opsHost,
      port: settings.opsPort,
      clientLimit: core.clientLimit('operator'),
    })
    try {
      const { requestTimeoutMs } = tenantDeps
      const tenant = await Listener.open(tenantApp(tenantDeps), {
        ...settings,
        stallMs,
        requestTimeoutMs,
        clientLimit: core.clientLimit('tenant'),
      })
      log.info({ url: tenant.url, opsUrl: operator.url }, 'service started')
      core.readyWhenUsable()
      return new RunningService(core, tenant, operator)
    } catch (error) {
      await operator.stop(0)
      throw error
    }
  } catch (error) {
    await core.close()
    throw error
  }
}

type Sealers = Omit<LifecycleParts, 'registry'>

function sealersOf({ masterKey, adminKey, scramIterations, router }: ServiceSettings): Sealers {
  const { maxConnectionsPerTenant } = router
  return { ...ownKeys(masterKey, adminKey), scramIterations, maxConnectionsPerTenant }
}

/** Everything behind the two planes. */
class Core {
  readonly health = new Health()
  readonly #lag = new LoopLag()
  readonly settings: ServiceSettings
  readonly log: Log
  readonly events: PoolEventStreams
  readonly operations: OperationStreams
  readonly mutations = new Mutations()
  readonly #access: RegistryAccess
  readonly #limiter: Limiter
  readonly #router: TenantRouter
  readonly #metrics: Metrics
  readonly #routerLog: Disposable
  readonly #audit: ServiceAudit
  readonly #means: ServiceMeans
  readonly #sealers: Sealers
  upkeep: Upkeep | undefined

  constructor(
    settings: ServiceSettings,
    access: RegistryAccess,
    limiter: Limiter,
    sealers: Sealers,
    log: Log,
  ) {
    this.settings = settings
    this.log = log
    this.#access = access
    this.#limiter = limiter
    this.#sealers = sealers
    const { directory, registry } = access
    const backends = lateOpener(sealers.sealer, registry, settings.router)
    this.#router = new TenantRouter(directory, backends, settings.router)
    this.#metrics = new Metrics({ router: this.#router, directory, version: VERSION, limits: limiter })
    this.#routerLog = logRouter(this.#router, log)
    const unwritten = auditFaults(this.#metrics, log)
    this.#audit = new ServiceAudit(this.#router, registry, unwritten)
    this.#means = new ServiceMeans(this.#router, directory, unwritten)
    this.events = new PoolEventStreams(this.#router)
    this.operations = new OperationStreams(registry)
  }

  clientLimit(plane: 'tenant' | 'operator'): ClientLimit {
    const limits = clientLimits(this.settings.router.maxConnections)
    return new ClientLimit(limits[plane], plane, { observer: this.#metrics, log: this.log })
  }

  tenantDeps() {
    const { router, maxRows, maxStreamBytes, maxBufferedBytes, maxBodyBytes } = this.settings
    const { maxResultBytes, statementTimeoutMs, acquireTimeoutMs } = router
    return {
      router: this.#router,
      callers: new CallerResolver(this.#access.directory, { ...this.settings, observer: this.#audit.calls }),
      limiter: this.#limiter,
      limits: { maxRows, maxResultBytes, maxStreamBytes, statementTimeoutMs },
      maxBufferedBytes,
      stallMs: this.settings.streamStallTimeoutMs,
      maxBodyBytes,
      requestTimeoutMs: acquireTimeoutMs + statementTimeoutMs + REQUEST_MARGIN_MS,
      health: this.health,
      observer: this.#metrics,
      log: this.log,
    }
  }

  lifecycle(): LifecycleParts {
    const { directory, registry } = this.#access
    return { registry: announcing(registry, (change) => directory.invalidate(change)), ...this.#sealers }
  }

  operatorDeps() {
    return {
      router: this.#router,
      lifecycle: this.lifecycle(),
      means: this.#means,
      directory: this.#access.directory,
      baseDomain: this.settings.baseDomain,
      limiter: this.#limiter,
      keys: new KeyVerifier(this.#access.directory),
      metrics: this.#metrics,
      metricsAccess: isLoopback(this.settings.opsHost) ? ('open' as const) : ('viewer' as const),
      events: this.events,
      operations: this.operations,
      mutations: this.mutations,
      maxBodyBytes: OPERATOR_BODY_BYTES,
      requestTimeoutMs: OPERATOR_TIMEOUT_MS,
      health: this.health,
      lag: this.#lag,
      observer: this.#metrics,
      log: this.log,
    }
  }

  /** With the registry, or at once with what stands in for it. */
  readyWhenUsable(): void {
    const ready = () => {
      if (this.health.phase !== 'starting') return
      this.health.ready()
      this.log.info({}, 'ready')
    }
    if (this.#access.isUsable) ready()
    else {
      const err = this.#access.registry.fault
      this.log.error({ err }, 'not ready until the registry answers; it is tried on')
    }
    void this.#access.registry.opened.then(() => {
      ready()
      this.#recover()
    })
  }

  /** Operations of processes that are gone, where this one has the key that most of them need. */
  #recover(): void {
    if (this.#sealers.adminSealer === undefined || this.health.isDraining) return
    const run = (work: () => Promise<void>) => this.mutations.run(work)
    this.upkeep = new Upkeep(this.lifecycle(), this.#router, run, logUpkeep(this.log))
  }

  /** When nothing asks any more. */
  async close(): Promise<void> {
    this.#lag[Symbol.dispose]()
    this.events.close()
    this.operations.close()
    await this.#router.close()
    this.#routerLog[Symbol.dispose]()
    await this.#audit.close()
    await this.#means.postponed.close()
    await this.#limiter.close()
    this.#metrics[Symbol.dispose]()
    await this.#access.close()
  }
}

class RunningService implements Service {
  readonly url: string
  readonly opsUrl: string
  readonly #core: Core
  readonly #tenant: Listener
  readonly #operator: Listener
  #closing: Promise<void> | undefined

  constructor(core: Core, tenant: Listener, operator: Listener) {
    this.#core = core
    this.#tenant = tenant
    this.#operator = operator
    this.url = tenant.url
    this.opsUrl = operator.url
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** The operator plane reads until the end: probes and scrapes are about just this. It changes nothing any more. */
  async #close(): Promise<void> {
    const { health, events, operations, mutations, settings, log } = this.#core
    health.drain()
    const { drainTimeoutMs } = settings
    log.info({ drainTimeoutMs }, 'draining')
    events.close()
    operations.close()
    this.#core.upkeep?.[Symbol.dispose]()
    await Promise.all([this.#tenant.stop(drainTimeoutMs), mutations.drain(drainTimeoutMs)])
    await this.#core.close()
    await this.#operator.stop(OPERATOR_DRAIN_MS)
    log.info({}, 'service stopped')
  }
}
