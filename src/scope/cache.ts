import { z } from 'zod'
import { InvalidRequestError, LoadTimeoutError } from '../errors.ts'
import type { RedisConnection } from '../redis.ts'
import { refuseAborted, unlessAborted } from '../registry/abort.ts'
import { within } from '../registry/within.ts'
import { runAsTenant } from '../tenant/tenant-context.ts'
import type { TenantId } from '../tenant/tenant-id.ts'
import { CacheEntries, type Found, type Place } from './cache-entries.ts'
import { jsonText } from './json-text.ts'
import { Loads } from './loads.ts'
import { digestOf, type KeyPart } from './scoped-key.ts'
import { type KnowsTenants, ownTenant, tenantScope } from './tenant-scope.ts'

/** After the longest load, for the clock of Redis. */
const DELETED_SLACK_MS = 10_000
const MAX_TTL_MS = 31 * 86_400_000
/** In errors. */
const A_VALUE = 'A value of the cache'

const CacheSettings = z.strictObject({
  /** What our keys begin with. */
  prefix: z
    .string()
    .regex(/^[\w.:-]{1,64}$/)
    .default('tenantry:cache'),
  /** Milliseconds that an entry lasts where its writer does not say. */
  ttlMs: z.int().positive().max(MAX_TTL_MS).default(300_000),
  /** Milliseconds that any entry may last. */
  maxTtlMs: z.int().positive().max(MAX_TTL_MS).default(86_400_000),
  /** Bytes of JSON; what is larger is not kept. */
  maxValueBytes: z.int().positive().max(16_777_216).default(262_144),
  /** Milliseconds that a load may take before those who wait for it get `LoadTimeoutError`. */
  loadTimeoutMs: z.int().positive().max(600_000).default(30_000),
})
type CacheSettings = z.output<typeof CacheSettings>

/** What `createCache` works with. */
export interface CacheOptions extends z.input<typeof CacheSettings> {
  /** As `openRedis()` gives it; it stays the caller's. */
  readonly redis: RedisConnection
  readonly router: KnowsTenants
}

/** Text, or a list of parts: `['project', 7]` is not `['project', '7']`. */
export type CacheKey = string | readonly KeyPart[]

/** Of one entry. */
export interface EntryOptions {
  /** Milliseconds that the entry lasts; default: the cache's. */
  readonly ttlMs?: number
}

/** Of one entry that may have to be loaded. */
export interface LoadOptions extends EntryOptions {
  /** Ends the wait of this caller alone. */
  readonly signal?: AbortSignal
}

/**
 * A cache in Redis whose only way in is a tenant's own handle. Where Redis is not there everything is a miss.
 * @throws {z.ZodError} for settings out of their bounds.
 */
export function createCache(options: CacheOptions): TenantCaches {
  return new TenantCaches(options)
}

/** The caches of all tenants. It owns nothing that must be closed. */
export class TenantCaches {
  readonly #parts: CacheParts

  constructor({ redis, router, ...rest }: CacheOptions) {
    const settings = CacheSettings.parse(rest)
    const deletedMs = settings.loadTimeoutMs + DELETED_SLACK_MS
    const entries = new CacheEntries(redis, settings.maxTtlMs, deletedMs)
    this.#parts = { router, settings, entries, loads: new Loads() }
  }

  /**
   * One tenant's cache. Make a handle for each request, or keep one: it holds nothing.
   * @param id default: the ambient tenant, as it is now.
   * @throws {NoTenantError | TenantMismatchError | InvalidTenantIdError}
   */
  forTenant(id?: string): TenantCache {
    return new TenantCache(ownTenant(id), this.#parts)
  }
}

interface CacheParts {
  readonly router: KnowsTenants
  readonly settings: CacheSettings
  readonly entries: CacheEntries
  readonly loads: Loads
}

/**
 * What is kept for one tenant: values of JSON, gone when they are too old, when the tenant moves or its login is
 * rotated, and when it is made anew. Every method asks whether the tenant is served and throws as `tenantScope()`
 * where it is not; none throws because of Redis.
 */
export class TenantCache {
  readonly tenant: TenantId
  readonly #parts: CacheParts

  constructor(tenant: TenantId, parts: CacheParts) {
    this.tenant = tenant
    this.#parts = parts
  }

  /** Undefined where there is none. What comes back was JSON: parse it where its shape may have changed. */
  async get(key: CacheKey): Promise<unknown> {
    const place = await this.#place(key)
    const { text } = (await this.#parts.entries.read(place)) ?? {}
    return text === undefined ? undefined : JSON.parse(text)
  }

  /** @returns whether it is kept: not where Redis is not there, nor where it is larger than may be. */
  async set(key: CacheKey, value: unknown, options: EntryOptions = {}): Promise<boolean> {
    const ttlMs = this.#ttlMs(options)
    const text = jsonText(value, A_VALUE)
    const place = await this.#place(key)
    return this.#fits(text) && (await this.#parts.entries.write(place, text, ttlMs))
  }

  /**
   * @returns whether Redis heard of it. Where it did not, this process sees nothing old and tells Redis as soon as it
   * uses this tenant's cache again; until then other processes may find what is there, for as long as it lasts.
   */
  async delete(key: CacheKey): Promise<boolean> {
    const place = await this.#place(key)
    this.#parts.loads.part(place.version, place.entry)
    return this.#parts.entries.delete(place)
  }

  /** Deletes all that the tenant has here, in one step however much it is. @returns as `delete`. */
  async flush(): Promise<boolean> {
    const place = await this.#place('')
    this.#parts.loads.part(place.version)
    return this.#parts.entries.flush(place)
  }

  /**
   * What is kept, or what `load` gives, which is then kept. Who asks for the same in this process meanwhile gets the
   * same answer; a failure is theirs, too, and is not kept. `load` runs as the tenant, once, whoever aborts: let it
   * use nothing that ends with a request. `undefined` is not kept. Every caller gets a copy, as JSON has it.
   * @throws {LoadTimeoutError | CancelledError}, and what `load` throws.
   */
  async getOrLoad<T>(key: CacheKey, options: LoadOptions, load: () => T | Promise<T>): Promise<T> {
    const ttlMs = this.#ttlMs(options)
    refuseAborted(options.signal)
    const place = await this.#place(key)
    const found = await this.#parts.entries.read(place)
    const mark = found === undefined ? '' : `${found.version} ${found.head}`
    const text =
      found?.text ??
      (await unlessAborted(
        this.#parts.loads.run(place.version, place.entry, mark, () => this.#load(place, found, ttlMs, load)),
        options.signal,
      ))
    return (text === undefined ? undefined : JSON.parse(text)) as T // what `load` gave, if not a release ago
  }

  async #load(
    place: Place,
    found: Found | undefined,
    ttlMs: number,
    load: () => unknown,
  ): Promise<string | undefined> {
    const { loadTimeoutMs } = this.#parts.settings
    const work = runAsTenant(this.tenant, async () => await load())
    const value = await within(work, loadTimeoutMs, () => new LoadTimeoutError(loadTimeoutMs))
    const text = value === undefined ? undefined : jsonText(value, A_VALUE)
    // Where nothing was found out, whether it was deleted meanwhile could not be either.
    if (text !== undefined && found !== undefined && this.#fits(text)) {
      await this.#parts.entries.write(place, text, ttlMs, found)
    }
    return text
  }

  async #place(key: CacheKey): Promise<Place> {
    const { router, settings } = this.#parts
    const { id, generation, epoch } = await tenantScope(router, this.tenant)
    const registry = router.registry.id
    const scope = `${settings.prefix}:{${id}.${generation}.${epoch}.${digestOf([registry]).slice(0, 16)}}`
    const parts = typeof key === 'string' ? ['text', key] : ['list', ...key]
    const digest = digestOf([registry, id, generation, epoch, ...parts])
    return { version: `${scope}:version`, entry: `${scope}:${digest}`, digest }
  }

  #fits(text: string): boolean {
    return Buffer.byteLength(text) <= this.#parts.settings.maxValueBytes
  }

  #ttlMs({ ttlMs = this.#parts.settings.ttlMs }: EntryOptions): number {
    const { maxTtlMs } = this.#parts.settings
    if (Number.isSafeInteger(ttlMs) && ttlMs > 0 && ttlMs <= maxTtlMs) return ttlMs
    throw new InvalidRequestError(`ttlMs must be a whole number from 1 to ${maxTtlMs}.`)
  }
}
