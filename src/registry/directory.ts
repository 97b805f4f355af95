import { RegistryUnavailableError } from '../errors.ts'
import type { TenantId } from '../tenant/tenant-id.ts'
import { refuseAborted, unlessAborted } from './abort.ts'
import { type AliasKind, aliasId } from './alias-record.ts'
import { ChangeFollower } from './change-follower.ts'
import { DirectoryOptions, type ResolvedDirectoryOptions } from './directory-options.ts'
import { type Held, RecordCache } from './record-cache.ts'
import type { Change, ChangeBatch, Entry, Kind, Registry } from './registry.ts'
import { SingleFlight } from './single-flight.ts'
import { within } from './within.ts'

/** While the registry cannot be asked and older answers are served, it is tried again so often. */
const PROBE_MS = 1_000

export type DirectoryChange = { readonly kind: Kind; readonly id: string } | 'reset'

export interface DirectoryStats {
  /** Lookups answered from memory. */
  readonly hits: number
  /** Reads of the registry that were begun, and those of them that failed. */
  readonly reads: number
  readonly failures: number
  /** Lookups answered with something older because the registry did not answer. */
  readonly staleServed: number
  readonly records: number
  readonly absences: number
}

/**
 * The read side of a registry: bounded, invalidated by the registry's own changes, and still there when the
 * registry is not. Follows the changes from construction until `close()`; the registry stays the caller's.
 *
 * An answer is fresh while no change of it was heard and the registry is not silent. What is not fresh is
 * read again, once for all who ask; who asks after a change was heard waits for a read begun after it. If that
 * fails, the older answer is served: for ever if it is a refusal (suspended, deleted, revoked), for
 * `staleMaxMs` otherwise. Absence is never served without a fresh answer.
 */
export class Directory implements AsyncDisposable {
  readonly #registry: Registry
  readonly #options: ResolvedDirectoryOptions
  readonly #cache: RecordCache
  readonly #flights = new SingleFlight<Entry | undefined>()
  /** Reads under way, for `close()`. */
  readonly #reads = new Set<AbortController>()
  readonly #follower: ChangeFollower
  readonly #listeners = new Set<(change: DirectoryChange) => void>()
  readonly #onFault: (fault: unknown) => void
  readonly #startedAt = performance.now()
  readonly #counters = { hits: 0, reads: 0, failures: 0, staleServed: 0 }
  /** The last read failed or was slow: who holds an older answer does not wait. */
  #isDown = false
  #isClosed = false
  #probedAt = Number.NEGATIVE_INFINITY

  /** @param onFault hears of what goes wrong beside any lookup: the watch, and listeners that throw. */
  constructor(
    registry: Registry,
    options: DirectoryOptions = {},
    onFault: (fault: unknown) => void = () => {},
  ) {
    this.#registry = registry
    this.#options = DirectoryOptions.parse(options)
    this.#cache = new RecordCache(this.#options.maxRecords, this.#options.maxAbsences)
    this.#onFault = (fault) => {
      try {
        onFault(fault)
      } catch {
        // There is nobody left to tell, and the changes must be followed all the same.
      }
    }
    this.#follower = new ChangeFollower(registry, (batch) => this.#hear(batch), this.#onFault)
  }

  /** @throws {RegistryUnavailableError} when it must be asked and cannot be. {CancelledError} on abort. */
  tenant(id: TenantId, signal?: AbortSignal): Promise<Entry<'tenant'> | undefined> {
    return this.#lookup('tenant', id, signal)
  }

  /** As `tenant`, read again though what is held counts as fresh: the caller saw it fail. */
  refresh(id: TenantId, signal?: AbortSignal): Promise<Entry<'tenant'> | undefined> {
    return this.#lookup('tenant', id, signal, false)
  }

  /** As `tenant`. */
  server(id: string, signal?: AbortSignal): Promise<Entry<'server'> | undefined> {
    return this.#lookup('server', id, signal)
  }

  /** As `tenant`. */
  key(id: string, signal?: AbortSignal): Promise<Entry<'key'> | undefined> {
    return this.#lookup('key', id, signal)
  }

  /** As `tenant`. Alias and tenant are held apart: two reads when both are unknown. */
  async tenantByAlias(
    kind: AliasKind,
    value: string,
    signal?: AbortSignal,
  ): Promise<Entry<'tenant'> | undefined> {
    const alias = await this.#lookup('alias', aliasId(kind, value), signal)
    return alias === undefined ? undefined : this.#lookup('tenant', alias.record.tenant, signal)
  }

  /** The caller made this change itself: the next lookup reads, without waiting to hear of it. */
  invalidate(change: Change): void {
    this.#announce(change)
  }

  /** Called after each change that is heard, when lookups already know of it. Lasts until disposed. */
  onChange(listener: (change: DirectoryChange) => void): Disposable {
    // A wrapper of its own, so that one function may listen twice.
    const entry = (change: DirectoryChange) => listener(change)
    this.#listeners.add(entry)
    return { [Symbol.dispose]: () => void this.#listeners.delete(entry) }
  }

  /** Seconds since all changes were known for the last time. */
  stalenessSeconds(): number {
    return (performance.now() - (this.#follower.heardAt ?? this.#startedAt)) / 1_000
  }

  stats(): DirectoryStats {
    return { ...this.#counters, records: this.#cache.records, absences: this.#cache.absences }
  }

  /** Ends the watch and every read. Safe to call again. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const read of this.#reads) read.abort()
    this.#listeners.clear()
    await this.#follower.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #lookup<K extends Kind>(
    kind: K,
    id: string,
    signal?: AbortSignal,
    isHeldEnough = true,
  ): Promise<Entry<K> | undefined> {
    refuseAborted(signal)
    this.#refuseClosed()
    const key = keyOf(kind, id)
    const held = this.#cache.get(key)
    if (held === undefined || !isHeldEnough || !this.#isFresh(held)) {
      return (await this.#renew(kind, id, key, signal)) as Entry<K> | undefined // the key says the kind
    }
    this.#counters.hits++
    return held.entry as Entry<K> | undefined // as above
  }

  #refuseClosed(): void {
    if (this.#isClosed) throw new RegistryUnavailableError('the directory is closed')
  }

  /** A fresh answer, or an older one that may be served. */
  async #renew(
    kind: Kind,
    id: string,
    key: string,
    signal: AbortSignal | undefined,
  ): Promise<Entry | undefined> {
    const older = this.#servable(key)
    if (older !== undefined && this.#isDown) {
      this.#probe(kind, id, key)
      this.#counters.staleServed++
      return older
    }
    const read = this.#flights.run(key, () => this.#read(kind, id, key))
    try {
      const { patienceMs } = this.#options
      return await unlessAborted(
        older === undefined ? read : within(read, patienceMs, () => this.#slow(key)),
        signal,
      )
    } catch (error) {
      // Asked again: the read may have taken long, and what is held may be another by now.
      const still = error instanceof RegistryUnavailableError ? this.#servable(key) : undefined
      if (still === undefined) throw error
      this.#counters.staleServed++
      return still
    }
  }

  async #read(kind: Kind, id: string, key: string): Promise<Entry | undefined> {
    // Asked again: it may have waited for the read before it.
    this.#refuseClosed()
    const pending = this.#cache.begin(key)
    const stop = new AbortController()
    this.#reads.add(stop)
    this.#counters.reads++
    try {
      const entry = await this.#ask(kind, id, stop.signal)
      this.#isDown = false
      this.#cache.store(pending, entry)
      return entry
    } catch (cause) {
      this.#counters.failures++
      if (cause instanceof RegistryUnavailableError) throw cause
      throw new RegistryUnavailableError(`cannot read ${key}`, { cause })
    } finally {
      this.#reads.delete(stop)
      stop.abort()
      this.#cache.end(pending)
    }
  }

  async #ask(kind: Kind, id: string, signal: AbortSignal): Promise<Entry | undefined> {
    const { readTimeoutMs } = this.#options
    const late = () => new RegistryUnavailableError(`no answer about ${kind} ${id} in ${readTimeoutMs} ms`)
    try {
      // Raced as well as aborted: a backend that is slow to hear the abort delays nobody.
      return await within(unlessAborted(this.#registry.find(kind, id, signal), signal), readTimeoutMs, late)
    } catch (error) {
      this.#isDown = true
      throw error
    }
  }

  /** Tries whether the registry answers again, for nobody in particular. */
  #probe(kind: Kind, id: string, key: string): void {
    const now = performance.now()
    if (now - this.#probedAt < PROBE_MS || this.#flights.size > 0) return
    this.#probedAt = now
    this.#flights.run(key, () => this.#read(kind, id, key)).catch(() => {}) // counted where it failed
  }

  #slow(key: string): RegistryUnavailableError {
    this.#isDown = true
    return new RegistryUnavailableError(
      `no ${key} in ${this.#options.patienceMs} ms, an older answer is held`,
    )
  }

  #isFresh(held: Held): boolean {
    const now = performance.now()
    if (held.isStale || now - this.#knownUntil(held) > this.#options.silenceMs) return false
    return held.entry !== undefined || now - held.checkedAt <= this.#options.absenceMs
  }

  #servable(key: string): Entry | undefined {
    const held = this.#cache.get(key)
    if (held?.entry === undefined) return undefined
    const age = performance.now() - this.#knownUntil(held)
    return isRefusal(held.entry) || age <= this.#options.staleMaxMs ? held.entry : undefined
  }

  #knownUntil(held: Held): number {
    return held.isStale ? held.checkedAt : Math.max(held.checkedAt, this.#heardAt)
  }

  get #heardAt(): number {
    return this.#follower.heardAt ?? Number.NEGATIVE_INFINITY
  }

  #hear(batch: ChangeBatch): void {
    this.#isDown = false
    if (batch.type === 'reset') {
      this.#flights.overtakeAll()
      this.#cache.announceAll(this.#heardAt)
      this.#tell('reset')
      return
    }
    for (const change of batch.changes) {
      this.#announce(change)
      this.#tell({ kind: change.kind, id: change.id })
    }
  }

  #announce(change: Change): void {
    const key = keyOf(change.kind, change.id)
    this.#flights.overtake(key)
    this.#cache.announce(key, change, this.#heardAt)
  }

  #tell(change: DirectoryChange): void {
    for (const listener of this.#listeners) {
      try {
        listener(change)
      } catch (fault) {
        this.#onFault(fault)
      }
    }
  }
}

function keyOf(kind: Kind, id: string): string {
  return `${kind} ${id}`
}

/** Older answers that refuse are safe to repeat for ever; those that admit are not. */
function isRefusal({ record }: Entry): boolean {
  if ('revokedAt' in record) return record.revokedAt !== null
  return 'status' in record && ['suspended', 'deleting', 'deleted'].includes(record.status)
}
