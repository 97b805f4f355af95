import { randomBytes } from 'node:crypto'
import { RedisUnavailableError } from '../errors.ts'
import { RedisScript } from '../redis/redis-script.ts'
import type { RedisConnection } from '../redis.ts'

/** Where an entry is. All keys of one scope share a hash tag. */
export interface Place {
  /** Key of the scope's version: what was written under another one does not count. */
  readonly version: string
  /** Key of the entry. */
  readonly entry: string
  /** Names scope and key; the entry repeats it, so that it counts at no other place. */
  readonly digest: string
}

/** What was found at a place. */
export interface Found {
  readonly version: string
  /** How what is there begins. */
  readonly head: string
  /** JSON; undefined where nothing is there that counts. */
  readonly text: string | undefined
}

const VERSION_BYTES = 16
/** Letter, digest, version, in characters. */
const HEAD = 1 + 64 + 2 * VERSION_BYTES
/** Scopes that are owed a flush; beyond it the oldest is forgotten, and its entries last for as long as they may. */
const MAX_OWED = 10_000

/**
 * Writes an entry under the scope's present version, and keeps the version for as long as any entry may last. Unless
 * the caller insists, only where nothing has changed since it looked: an entry deleted, or a tenant flushed, while
 * its new value was being loaded stays so. `pexpire` is last: a Redis that is full refuses `set`, but not in a script
 * that has changed something already.
 */
const STORE = new RedisScript(`
local version = redis.call('get', KEYS[1])
if ARGV[1] ~= 'always' then
  if (version or '') ~= ARGV[2] or redis.call('getrange', KEYS[2], 0, ${HEAD - 1}) ~= ARGV[3] then return 0 end
end
local isKnown = version
if not version then
  version = ARGV[4]
  redis.call('set', KEYS[1], version, 'px', ARGV[7])
end
redis.call('set', KEYS[2], 'v' .. ARGV[5] .. version .. ARGV[6], 'px', ARGV[8])
if isKnown then redis.call('pexpire', KEYS[1], ARGV[7]) end
return 1
`)

/**
 * The entries of all tenants in Redis. A version is a random number and not a counter: one that was lost (evicted,
 * FLUSHALL) never comes back, and with it nothing that was written under it. Nothing here rejects because Redis is
 * not there.
 */
export class CacheEntries {
  readonly #redis: RedisConnection
  /** Milliseconds that the longest entry lasts. */
  readonly #maxTtlMs: number
  /** Milliseconds for which a deleted entry is remembered: longer than any load lasts. */
  readonly #deletedMs: number
  /** Scopes of which Redis did not hear that something was deleted: flushed before they are looked at again. */
  readonly #owed = new Set<string>()

  constructor(redis: RedisConnection, maxTtlMs: number, deletedMs: number) {
    this.#redis = redis
    this.#maxTtlMs = maxTtlMs
    this.#deletedMs = deletedMs
  }

  /** Undefined where Redis is not there. */
  read(place: Place): Promise<Found | undefined> {
    return this.#unlessGone(undefined, async () => {
      await this.#settle(place)
      const answer = await this.#redis.call('mget', place.version, place.entry)
      const [version, raw] = Array.isArray(answer) ? answer.map(textOf) : []
      return found(place, version ?? '', raw ?? '')
    })
  }

  /** @returns whether it is kept. `since`: only if nothing was changed since that was found. */
  write(place: Place, text: string, ttlMs: number, since?: Found): Promise<boolean> {
    return this.#unlessGone(false, async () => {
      await this.#settle(place)
      const condition = since === undefined ? ['always', '', ''] : ['unchanged', since.version, since.head]
      const args = [...condition, newVersion(), place.digest, text, this.#maxTtlMs, ttlMs]
      return (await this.#redis.run(STORE, [place.version, place.entry], args)) === 1
    })
  }

  /** @returns whether Redis heard of it; else the scope is flushed as soon as it can be. */
  delete(place: Place): Promise<boolean> {
    return this.#orOwed(place, async () => {
      // Something of its own, and not nothing: who found nothing before must see that this happened.
      await this.#redis.call('set', place.entry, `d${newVersion()}`, 'px', this.#deletedMs)
    })
  }

  /** As `delete`, of all entries of the scope. */
  flush(place: Pick<Place, 'version'>): Promise<boolean> {
    return this.#orOwed(place, () => this.#flush(place))
  }

  async #flush({ version }: Pick<Place, 'version'>): Promise<void> {
    await this.#redis.call('set', version, newVersion(), 'px', this.#maxTtlMs)
    this.#owed.delete(version)
  }

  async #settle(place: Place): Promise<void> {
    if (this.#owed.has(place.version)) await this.#flush(place)
  }

  async #orOwed({ version }: Pick<Place, 'version'>, work: () => Promise<void>): Promise<boolean> {
    const isHeard = await this.#unlessGone(false, () => work().then(() => true))
    if (!isHeard) this.#owe(version)
    return isHeard
  }

  #owe(version: string): void {
    this.#owed.add(version)
    const [oldest] = this.#owed
    if (this.#owed.size > MAX_OWED && oldest !== undefined) this.#owed.delete(oldest)
  }

  async #unlessGone<T>(otherwise: T, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      if (error instanceof RedisUnavailableError) return otherwise
      throw error
    }
  }
}

function found({ digest }: Place, version: string, raw: string): Found {
  const head = raw.slice(0, HEAD)
  const isOurs = version !== '' && head === `v${digest}${version}`
  return { version, head, text: isOurs ? raw.slice(HEAD) : undefined }
}

const textOf = (answer: unknown) => (typeof answer === 'string' ? answer : undefined)
const newVersion = () => randomBytes(VERSION_BYTES).toString('hex')
