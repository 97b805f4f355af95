import type { Hono } from 'hono'
import { OperationStreams } from '../../src/http/admin/operation-streams.ts'
import { PoolEventStreams } from '../../src/http/admin/pool-event-streams.ts'
import { ClientLimit } from '../../src/http/client-limit.ts'
import { Health } from '../../src/http/health.ts'
import { Listener } from '../../src/http/listener.ts'
import { Mutations } from '../../src/http/mutations.ts'
import { type OperatorAppDeps, operatorApp } from '../../src/http/operator-app.ts'
import type { OperatorEnv, TenantEnv } from '../../src/http/request-context.ts'
import { type TenantAppDeps, tenantApp } from '../../src/http/tenant-app.ts'
import { ServiceMeans } from '../../src/lifecycle/postponed/service-means.ts'
import { Limiter } from '../../src/limits/limiter.ts'
import { announcing } from '../../src/registry/announcing-registry.ts'
import type { KeyRecord } from '../../src/registry/key-record.ts'
import { generateMasterKey, MasterKeys } from '../../src/registry/master-keys.ts'
import { Sealer } from '../../src/registry/sealing.ts'
import { CallerResolver, type CallerSource } from '../../src/resolve/caller-resolver.ts'
import { KeyVerifier } from '../../src/resolve/key-verifier.ts'
import { openLog } from '../../src/telemetry/log.ts'
import { Metrics } from '../../src/telemetry/metrics.ts'
import { PARAMETER_CANARY } from '../support/canary.ts'
import { startWorld, type World, type WorldOptions } from '../support/world.ts'
import { newKey, putAlias, putKeys, scopeOf } from '../support/world-keys.ts'

export const BASE_DOMAIN = 'db.example.test'

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** The parsed body; tests say what they expect of it. */
  // oxlint-disable-next-line typescript/no-explicit-any -- the shape is what is being tested
  readonly json: any
}

export interface Ask {
  readonly method?: string
  readonly key?: string | undefined
  readonly headers?: Record<string, string>
  /** Sent as JSON, unless it is a text. */
  readonly body?: unknown
  readonly host?: string
  readonly signal?: AbortSignal
}

export interface HttpWorldOptions {
  readonly world?: WorldOptions
  readonly tenantApp?: Partial<
    Pick<
      TenantAppDeps,
      'limits' | 'limiter' | 'maxBodyBytes' | 'requestTimeoutMs' | 'maxBufferedBytes' | 'stallMs'
    >
  >
  readonly operatorApp?: Partial<Pick<OperatorAppDeps, 'metricsAccess'>>
  readonly topTenants?: number
  /** Where callers are looked up. Default: the directory of the world. */
  readonly callers?: CallerSource
  /** Wall clock that keys expire by. */
  readonly now?: () => number
}

/** A problem with its status and headers, but for what differs with every request. */
export function withoutRequestId({ status, headers, json }: Answer): string {
  const own = new Set(['x-request-id', 'date'])
  const told = [...headers].filter(([name]) => !own.has(name))
  return JSON.stringify([status, told, { ...json, requestId: undefined }])
}

interface Requestable {
  request(url: string, init: RequestInit): Response | Promise<Response>
}

/** Both planes over a world of real databases. Everything that they answer or log is kept, and holds no secret. */
export class HttpWorld implements AsyncDisposable {
  readonly world: World
  readonly health = new Health()
  readonly metrics: Metrics
  readonly events: PoolEventStreams
  readonly operations: OperationStreams
  readonly tenants: Hono<TenantEnv>
  readonly operators: Hono<OperatorEnv>
  readonly logLines: string[] = []
  readonly #answers: string[] = []
  readonly #keySecrets: string[] = []

  constructor(world: World, options: HttpWorldOptions) {
    const { router, directory, registry } = world
    const log = openLog('debug', { write: (line: string) => void this.logLines.push(line) })
    this.world = world
    this.metrics = new Metrics({ router, directory, version: '0.0.0', topTenants: options.topTenants ?? 20 })
    this.events = new PoolEventStreams(router, { maxClients: 2, maxPending: 8 })
    this.operations = new OperationStreams(registry, 20)
    const shared = { router, health: this.health, observer: this.metrics, log }
    this.tenants = tenantApp({
      ...shared,
      callers: new CallerResolver(options.callers ?? directory, {
        baseDomain: BASE_DOMAIN,
        ...(options.now ? { now: options.now } : {}),
      }),
      limiter: new Limiter({ router }),
      limits: {
        maxRows: 1_000,
        maxResultBytes: 1_000_000,
        maxStreamBytes: 10_000_000,
        statementTimeoutMs: 10_000,
      },
      maxBufferedBytes: 10_000_000,
      stallMs: 5_000,
      maxBodyBytes: 100_000,
      requestTimeoutMs: 15_000,
      ...options.tenantApp,
    })
    const sealer = new Sealer(MasterKeys.fromText(generateMasterKey()))
    this.operators = operatorApp({
      ...shared,
      means: new ServiceMeans(router, directory, () => {}),
      lifecycle: {
        registry: announcing(registry, (change) => directory.invalidate(change)),
        sealer,
        adminSealer: undefined,
      },
      directory,
      baseDomain: BASE_DOMAIN,
      keys: new KeyVerifier(directory),
      metrics: this.metrics,
      metricsAccess: 'viewer',
      events: this.events,
      operations: this.operations,
      mutations: new Mutations(),
      lag: { isLate: false },
      maxBodyBytes: 100_000,
      requestTimeoutMs: 15_000,
      ...options.operatorApp,
    })
    this.health.ready()
  }

  /** The tenant plane on a port of its own, for so many clients. Whoever asked for it stops it. */
  listen(clients: number): Promise<Listener> {
    const log = openLog('debug', { write: (line: string) => void this.logLines.push(line) })
    return Listener.open(this.tenants, {
      host: '127.0.0.1',
      port: 0,
      stallMs: 5_000,
      requestTimeoutMs: 15_000,
      clientLimit: new ClientLimit(clients, 'tenant', { observer: this.metrics, log }),
    })
  }

  /** Asks the tenant plane. */
  ask(path: string, ask: Ask = {}): Promise<Answer> {
    return this.#ask(this.tenants, path, ask)
  }

  /** Asks the operator plane. */
  operate(path: string, ask: Ask = {}): Promise<Answer> {
    return this.#ask(this.operators, path, ask)
  }

  /** The operator plane's answer as it comes, for streams. Whoever asked cancels its body. */
  async follow(path: string, key: string): Promise<Response> {
    return this.operators.request(`http://127.0.0.1${path}`, { headers: { authorization: `Bearer ${key}` } })
  }

  /** A new key, as its holder has it. */
  async key(scope: KeyRecord['scope'], change: Partial<KeyRecord> = {}): Promise<string> {
    const { key, record } = newKey(scope, change)
    await putKeys(this.world.registry, [record])
    this.#keySecrets.push(key.slice(`tk_${record.id}_`.length))
    return key
  }

  /** Another host name of a tenant. */
  async alias(value: string, tenant: string): Promise<void> {
    await putAlias(this.world, 'hostname', value, tenant)
  }

  serviceKey(change: Partial<KeyRecord> = {}): Promise<string> {
    return this.key({ kind: 'service', labels: null }, change)
  }

  async tenantKey(tenant: string, change: Partial<KeyRecord> = {}): Promise<string> {
    return this.key(await scopeOf(this.world.registry, tenant), change)
  }

  operatorKey(role: 'viewer' | 'operator' | 'admin'): Promise<string> {
    return this.key({ kind: 'operator', role })
  }

  /** Everything that left the service, but for what it was asked to hand out. */
  keep(text: string): void {
    this.#answers.push(text)
  }

  /** Answers and log lines of this world that hold a canary, the password of a tenant, or the secret of a key. */
  leaks(): string[] {
    const passwords = [...this.world.places.values()].map(({ password }) => password)
    const secrets = [PARAMETER_CANARY, ...passwords, ...this.#keySecrets]
    return [...this.#answers, ...this.logLines].filter((text) => secrets.some((one) => text.includes(one)))
  }

  async #ask(app: Requestable, path: string, ask: Ask): Promise<Answer> {
    const headers = new Headers(ask.headers)
    if (ask.key !== undefined) headers.set('authorization', `Bearer ${ask.key}`)
    const { body, method = body === undefined ? 'GET' : 'POST' } = ask
    const response = await app.request(`http://${ask.host ?? '127.0.0.1'}${path}`, {
      method,
      headers,
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      ...(ask.signal ? { signal: ask.signal } : {}),
    })
    return this.#kept(response)
  }

  async #kept(response: Response): Promise<Answer> {
    const text = await response.text()
    this.keep(text)
    const json: unknown = response.headers.get('content-type')?.match(/^application\/(problem\+)?json/)
      ? JSON.parse(text)
      : undefined
    return { status: response.status, headers: response.headers, text, json }
  }

  /** @throws where anything leaked: so every file that asks, checks. */
  async [Symbol.asyncDispose](): Promise<void> {
    const leaks = this.leaks().length
    this.events.close()
    this.operations.close()
    this.metrics[Symbol.dispose]()
    await this.world[Symbol.asyncDispose]()
    if (leaks > 0) throw new Error(`${leaks} answers or log lines hold a secret`)
  }
}

export async function startHttpWorld(
  tenants: readonly string[],
  options: HttpWorldOptions = {},
): Promise<HttpWorld> {
  return new HttpWorld(await startWorld(tenants, options.world), options)
}
