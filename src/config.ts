import { z } from 'zod'
import { ANSWER_SETTINGS, type AnswerSettings, answerLines, answerSettings } from './answer-settings.ts'
import { closestName } from './closest-name.ts'
import { InvalidConfigError } from './errors.ts'
import { LIMIT_SETTINGS, type LimitSettings, limitLines, limitSettings, planLines } from './limit-settings.ts'
import { isAddressBlock } from './resolve/trusted-proxies.ts'
import { type ResolvedRouterOptions, RouterOptions } from './router/options.ts'
import type { Secret } from './secret.ts'
import { SECRET_SETTINGS, secretOf } from './secret-settings.ts'
import { about, integer, list, secret, text } from './setting-kinds.ts'

const PREFIX = 'TENANTRY_'
const MAX_TIMER_MS = 2_147_483_647

const HOST = /^[A-Za-z0-9.:_-]{1,255}$/
const HTTP_URL = /^https?:\/\/[^/?#@\s]+\/?$/

/** The router's options are settings of the same names: `maxPools` is `MAX_POOLS`. Bounds are written there only. */
const ROUTER_FIELDS = RouterOptions.in.keyof().options
type RouterField = (typeof ROUTER_FIELDS)[number]
const routerName = (field: string) => field.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()
const routerBounds = z.toJSONSchema(RouterOptions.in).properties
const routerSettings = Object.fromEntries(
  ROUTER_FIELDS.map((field) => {
    const bounds = routerBounds?.[field]
    const { minimum = 0, maximum = MAX_TIMER_MS } = typeof bounds === 'object' ? bounds : {}
    return [routerName(field), integer(minimum, maximum)]
  }),
)

const Environment = z.strictObject({
  ...SECRET_SETTINGS,
  /** Whether a process that finds an older schema brings it to what it knows. */
  REGISTRY_MIGRATE: text(/^(?:on-start|by-hand)$/, 'on-start or by-hand'),
  HOST: text(HOST, 'a host name or an address'),
  PORT: integer(0, 65_535),
  OPS_HOST: text(HOST, 'a host name or an address'),
  OPS_PORT: integer(0, 65_535),
  /** Where the verbs that ask a running service find its operator plane, and their key. */
  OPS_URL: text(HTTP_URL, 'http://HOST:PORT or https://HOST:PORT'),
  OPERATOR_KEY: secret(/^tk_[a-z0-9]{12}_[A-Za-z0-9_-]+$/, 'an operator key, tk_<id>_<secret>'),
  /** `acme.<BASE_DOMAIN>` names the tenant `acme`. */
  BASE_DOMAIN: text(/^(?=.{1,253}$)[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})*$/, 'a lower-case domain name'),
  /** Whose `X-Forwarded-For` and `X-Forwarded-Host` are believed. */
  TRUSTED_PROXIES: list(
    isAddressBlock,
    'addresses and CIDR blocks with commas between them, such as 10.0.0.0/8,::1',
  ),
  /** Milliseconds that a known, active tenant is served while the registry cannot be asked. */
  STALE_MAX_MS: integer(0, MAX_TIMER_MS),
  /** Where a process keeps what it holds of the registry, for the one that starts while the registry is down. */
  SNAPSHOT_FILE: text(/^.+$/, 'the path of a file that this process may write'),
  /** Of the verifiers of roles that the router alone logs in as. */
  SCRAM_ITERATIONS: integer(1, 100_000),
  ...ANSWER_SETTINGS,
  ...LIMIT_SETTINGS,
  LOG_LEVEL: text(
    /^(?:fatal|error|warn|info|debug|trace|silent)$/,
    'fatal, error, warn, info, debug, trace or silent',
  ),
  ...routerSettings,
})
type Environment = z.output<typeof Environment>

/** Every setting by its full name, and what is allowed; docs/configuration.md is held equal to it. */
export const ALLOWED: ReadonlyMap<string, string> = new Map(
  Object.entries(Environment.shape).map(([name, schema]) => [
    PREFIX + name,
    about.get(schema)?.allowed ?? '',
  ]),
)

export interface Settings extends AnswerSettings, LimitSettings {
  /** May hold a password. */
  readonly registryUrl: Secret | undefined
  readonly migrate: boolean
  /** May hold a password. */
  readonly redisUrl: Secret | undefined
  readonly masterKey: Secret | undefined
  readonly adminKey: Secret | undefined
  readonly host: string
  readonly port: number
  readonly opsHost: string
  readonly opsPort: number
  readonly opsUrl: string
  readonly operatorKey: Secret | undefined
  readonly baseDomain: string | undefined
  readonly trustedProxies: readonly string[]
  readonly staleMaxMs: number
  readonly snapshotFile: string | undefined
  readonly scramIterations: number
  /** As the router's: requests under way get this long after SIGTERM. */
  readonly drainTimeoutMs: number
  readonly logLevel: string
  readonly router: ResolvedRouterOptions
  /** Full names of those that the environment gave; all others are defaults. */
  readonly given: ReadonlySet<string>
}

/** Settings of a process that serves tenants. */
export type ServiceSettings = Settings & { readonly registryUrl: Secret; readonly masterKey: Secret }

export type EnvironmentVariables = Readonly<Record<string, string | undefined>>

/** Those of this process. */
export const processVariables: EnvironmentVariables = process.env

/**
 * Reads every `TENANTRY_*` variable. One that is empty counts as not set.
 * @throws {InvalidConfigError} with all faults at once; values of secrets are not in it.
 */
export function readSettings(variables: EnvironmentVariables = processVariables): Settings {
  const { settings, faults } = read(variables)
  if (faults.length > 0) throw new InvalidConfigError(faults)
  return settings
}

/** As `readSettings`; what serving needs is a fault like any other. `portsMove`: the caller moves default ports. */
export function readServiceSettings(variables: EnvironmentVariables, portsMove = false): ServiceSettings {
  const { settings, faults } = read(variables, portsMove)
  const { registryUrl, masterKey } = settings
  const mentioned = (name: string) => faults.some((fault) => fault.startsWith(PREFIX + name))
  if (!registryUrl && !mentioned('REGISTRY_URL')) faults.push(missing('REGISTRY_URL'))
  if (!masterKey && !mentioned('MASTER_KEY')) faults.push(missing('MASTER_KEY'))
  if (faults.length > 0 || !registryUrl || !masterKey) throw new InvalidConfigError(faults)
  return { ...settings, registryUrl, masterKey }
}

/** What holds, defaults included, one line a setting; secrets show only that they are set. */
export function effectiveLines(settings: Settings): string[] {
  const origin = (name: string) => (settings.given.has(PREFIX + name) ? '' : ' (default)')
  const line = (name: string, value: string | number) => `${PREFIX}${name}=${value}${origin(name)}`
  return [
    `${PREFIX}REGISTRY_URL=${settings.registryUrl ? withoutCredentials(settings.registryUrl) : 'not set'}`,
    line('REGISTRY_MIGRATE', settings.migrate ? 'on-start' : 'by-hand'),
    `${PREFIX}MASTER_KEY=${settings.masterKey ? 'set' : 'not set'}`,
    `${PREFIX}ADMIN_KEY=${settings.adminKey ? 'set' : 'not set'}`,
    line('HOST', settings.host),
    line('PORT', settings.port),
    line('OPS_HOST', settings.opsHost),
    line('OPS_PORT', settings.opsPort),
    line('BASE_DOMAIN', settings.baseDomain ?? 'not set'),
    line('TRUSTED_PROXIES', settings.trustedProxies.join(',') || 'not set'),
    line('STALE_MAX_MS', settings.staleMaxMs),
    line('SNAPSHOT_FILE', settings.snapshotFile ?? 'not set'),
    line('SCRAM_ITERATIONS', settings.scramIterations),
    ...answerLines(settings).map(([name, value]) => line(name, value)),
    `${PREFIX}REDIS_URL=${settings.redisUrl ? withoutCredentials(settings.redisUrl) : 'not set'}`,
    ...limitLines(settings).map(([name, value]) => line(name, value)),
    line('LOG_LEVEL', settings.logLevel),
    ...ROUTER_FIELDS.map((field) => line(routerName(field), settings.router[field])),
    ...planLines(settings),
  ]
}

function read(variables: EnvironmentVariables, portsMove = false) {
  const given = new Map<string, string>()
  for (const [name, value] of Object.entries(variables)) {
    if (name.startsWith(PREFIX) && value) given.set(name.slice(PREFIX.length), value)
  }
  const parsed = Environment.safeParse(Object.fromEntries(given))
  const faults = parsed.success ? [] : parsed.error.issues.flatMap((issue) => describe(issue, given))
  const wrong = new Set(parsed.error?.issues.map((issue) => String(issue.path[0] ?? '')))
  // Those that are right are read all the same, so that sums and files at fault are named in the same go.
  const right = [...given].filter(([name]) => name in Environment.shape && !wrong.has(name))
  const environment = parsed.success ? parsed.data : Environment.parse(Object.fromEntries(right))
  const settings = resolve(environment, new Set([...given.keys()].map((name) => PREFIX + name)), faults)
  faults.push(...impossibleSums(settings, portsMove))
  return { settings, faults: [...new Set(faults)] }
}

function resolve(env: Environment, given: ReadonlySet<string>, faults: string[]): Settings {
  const opsHost = env.OPS_HOST ?? '127.0.0.1'
  const opsPort = env.OPS_PORT ?? 3001
  const router = routerOptions(env)
  const refuse = (name: string, value: string | undefined, allowed: string) =>
    void faults.push(fault(name, value, allowed))
  return {
    registryUrl: secretOf('REGISTRY_URL', env, refuse),
    migrate: env.REGISTRY_MIGRATE !== 'by-hand',
    masterKey: secretOf('MASTER_KEY', env, refuse),
    adminKey: secretOf('ADMIN_KEY', env, refuse),
    host: env.HOST ?? '127.0.0.1',
    port: env.PORT ?? 3000,
    opsHost,
    opsPort,
    opsUrl: env.OPS_URL ?? `http://${opsHost.includes(':') ? `[${opsHost}]` : opsHost}:${opsPort}`,
    operatorKey: env.OPERATOR_KEY,
    baseDomain: env.BASE_DOMAIN,
    trustedProxies: env.TRUSTED_PROXIES ?? [],
    staleMaxMs: env.STALE_MAX_MS ?? 86_400_000,
    snapshotFile: env.SNAPSHOT_FILE,
    scramIterations: env.SCRAM_ITERATIONS ?? 4_096,
    ...answerSettings(env, router.maxResultBytes),
    redisUrl: secretOf('REDIS_URL', env, refuse),
    ...limitSettings(env, refuse),
    logLevel: env.LOG_LEVEL ?? 'info',
    drainTimeoutMs: router.drainTimeoutMs,
    router,
    given,
  }
}

/** Defaults that would pass a limit that was given are lowered to it; only what was written can be at fault. */
function routerOptions(env: Readonly<Record<string, unknown>>): ResolvedRouterOptions {
  const written: Partial<Record<RouterField, number>> = {}
  for (const field of ROUTER_FIELDS) {
    const value = env[routerName(field)]
    if (typeof value === 'number') written[field] = value
  }
  const defaults = RouterOptions.parse(written)
  const lowered = (field: RouterField, limit: number) => written[field] ?? Math.min(defaults[field], limit)
  return {
    ...defaults,
    maxConnectionsPerTenant: lowered('maxConnectionsPerTenant', defaults.maxConnections),
    maxOpeningPerServer: lowered('maxOpeningPerServer', defaults.maxOpening),
    statementTimeoutMs: lowered('statementTimeoutMs', defaults.leaseTimeoutMs),
  }
}

function impossibleSums({ router, given, ...settings }: Settings, portsMove: boolean): string[] {
  const atMost = (field: RouterField, limit: RouterField) =>
    router[field] > router[limit]
      ? [fault(routerName(field), router[field], `at most ${PREFIX}${routerName(limit)} (${router[limit]})`)]
      : []
  const stay = !portsMove || (given.has(`${PREFIX}PORT`) && given.has(`${PREFIX}OPS_PORT`))
  const samePort = stay && settings.port !== 0 && settings.port === settings.opsPort
  return [
    ...atMost('maxPools', 'maxConnections'),
    ...atMost('maxConnectionsPerTenant', 'maxConnections'),
    ...atMost('maxOpeningPerServer', 'maxOpening'),
    ...atMost('statementTimeoutMs', 'leaseTimeoutMs'),
    ...(settings.maxBufferedBytes < 2 * router.maxResultBytes
      ? [fault('MAX_BUFFERED_BYTES', settings.maxBufferedBytes, `at least twice ${PREFIX}MAX_RESULT_BYTES`)]
      : []),
    ...(samePort ? [fault('OPS_PORT', settings.opsPort, `another port than ${PREFIX}PORT`)] : []),
  ]
}

function describe(issue: z.core.$ZodIssue, given: ReadonlyMap<string, string>): string[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((name) => {
      const near = closestName(name, Object.keys(Environment.shape))
      return `${PREFIX}${name} is not a setting${near ? `; did you mean ${PREFIX}${near}?` : ''}`
    })
  }
  const name = String(issue.path[0])
  const schema = Environment.shape[name as keyof typeof Environment.shape] // a parse boundary: zod names our own keys
  const { allowed = issue.message, secret: hidden } = (schema && about.get(schema)) ?? {}
  return [fault(name, hidden ? undefined : given.get(name), allowed)]
}

function fault(name: string, value: string | number | undefined, allowed: string): string {
  const shown = value === undefined ? '***' : JSON.stringify(String(value).slice(0, 100))
  return `${PREFIX}${name} is ${shown}; allowed: ${allowed}`
}

function missing(name: 'REGISTRY_URL' | 'MASTER_KEY'): string {
  return `${PREFIX}${name} is not set; allowed: ${about.get(Environment.shape[name])?.allowed}`
}

function withoutCredentials(url: Secret): string {
  return url
    .reveal()
    .replace(/\/\/.*@/, '//***@') // to the last one: a password that is not encoded may hold a slash
    .replace(/\?.*$/, '')
}
