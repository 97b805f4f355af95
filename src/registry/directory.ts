import { AnswerRefusedError, RegistryUnavailableError } from '../errors.ts'
import type { TenantId } from '../tenant/tenant-id.ts'
import { refuseAborted, unlessAborted } from './abort.ts'
import { type AliasKind, aliasId } from './alias-record.ts'
import { Census } from './census.ts'
import { ChangeFollower } from './change-follower.ts'
import { ChangeListeners, type DirectoryChange } from './change-listeners.ts'
import { DirectoryOptions, type ResolvedDirectoryOptions } from './directory-options.ts'
import type { DirectoryStats } from './directory-stats.ts'
import { Freshness } from './freshness.ts'
import { type Held, RecordCache } from './record-cache.ts'
import { RefusedAnswers } from './refused-answers.ts'
import type { Change, ChangeBatch, Entry, Kind, Registry } from './registry.ts'
import { RegistryReader } from './registry-reader.ts'
import { SingleFlight } from './single-flight.ts'
import type { SnapshotEntry } from './snapshot/snapshot.ts'
import { within } from './within.ts'

/** While the registry cannot be asked and older answers are served, it is tried again so often. */
const PROBE_MS = 1_000
/** An answer that is older than what was heard of, or may be, is asked for again after so long. */
const LAG_PAUSE_MS = 100

/**
 * The read side of a registry: bounded, invalidated by the registry's own changes, and still there when the
 * registry is not. Follows the changes from construction until `close()`; the registry stays the caller's.
 *
 * An answer is fresh while no change of it was heard and the registry is not silent. What is not fresh is
 * read again, once for all who ask; who asks after a change was heard waits for a read begun after it. If that
 * fails, the older answer is served: for ever if it is a refusal (suspended, deleted, revoked), for
 * `staleMaxMs` otherwise. Absence is never served without a fresh answer.
 *
 * An answer that cannot be true is as good as none: a record that cannot be read, an older revision, or the
 * absence of what is held where no change was heard and the registry lost much else as well.
 */
export class Directory implements AsyncDisposable {
  readonly #options: ResolvedDirectoryOptions
  readonly #cache: RecordCache
  readonly #flights = new SingleFlight<Entry | undefined>()
  readonly #reader: RegistryReader
  readonly #refused: RefusedAnswers
  readonly #census: Census
  readonly #follower: ChangeFollower
  readonly #listeners: ChangeListeners
  readonly #freshness: Freshness
  readonly #onFault: (fault: unknown) => void
  readonly #startedAt = performance.now()
  readonly #counters = { hits: 0, staleServed: 0 }
  #isClosed = false
  #probedAt = Number.NEGATIVE_INFINITY

  /** @param onFault hears of what goes wrong beside any lookup: the watch, and listeners that throw. */
  constructor(
    registry: Registry,
    options: DirectoryOptions = {},
    onFault: (fault: unknown) => void = () => {},
  ) {
    this.#options = DirectoryOptions.parse(options)
    this.#cache = new RecordCache(this.#options.maxRecords, this.#options.maxAbsences)
    this.#onFault = (fault) => {
      try {
        onFault(fault)
      } catch {
        // There is nobody left to tell, and the changes must be followed all the same.
      }
    }
    this.#reader = new RegistryReader(registry, this.#options.readTimeoutMs)
    this.#listeners = new ChangeListeners(this.#onFault)
    this.#freshness = new Freshness(this.#options, () => this.#heardAt)
    this.#refused = new RefusedAnswers(this.#onFault)
    this.#census = new Census(this.#cache, this.#reader, this.#onFault)
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
    return this.#listeners.add(listener)
  }

  /** Seconds since all changes were known for the last time. */
  stalenessSeconds(): number {
    return (performance.now() - (this.#follower.heardAt ?? this.#startedAt)) / 1_000
  }

  stats(): DirectoryStats {
    const refused = this.#refused.counts
    return {
      ...this.#counters,
      ...this.#reader.counters,
      refused,
      records: this.#cache.records,
      absences: this.#cache.absences,
    }
  }

  /** Rises with everything that is learnt. */
  get version(): number {
    return this.#cache.version
  }

  /** Every record that is held, from the most recently used one. `now` is the wall clock's. */
  held(now: number): SnapshotEntry[] {
    const offset = now - performance.now()
    return [...this.#cache.held()].flatMap((held) => {
      const knownAt = Math.round(offset + this.#freshness.knownUntil(held))
      return held.entry === undefined ? [] : [{ entry: held.entry, knownAt }]
    })
  }

  /** Takes in what another process held, to be served until the registry answers. `now` is the wall clock's. */
  restore(entries: readonly SnapshotEntry[], now: number): void {
    for (const { entry, knownAt } of entries.slice(0, this.#options.maxRecords).toReversed()) {
      // Of a clock that was ahead of ours, the age is not known: it counts from now.
      const age = Math.max(0, now - knownAt)
      this.#cache.restore(keyOf(entry.kind, entry.id), entry, performance.now() - age)
    }
  }

  /** Ends the watch and every read. Safe to call again. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#reader.close()
    this.#listeners.clear()
    await this.#follower.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** What a look-up would answer without asking the registry; undefined where it would ask, or knows of an absence. */
  known<K extends Kind>(kind: K, id: string): Entry<K> | undefined {
    return this.#isClosed ? undefined : (this.#fresh(kind, id)?.entry as Entry<K> | undefined) // the key says the kind
  }

  async #lookup<K extends Kind>(
    kind: K,
    id: string,
    signal?: AbortSignal,
    isHeldEnough = true,
  ): Promise<Entry<K> | undefined> {
    refuseAborted(signal)
    this.#refuseClosed()
    const fresh = isHeldEnough ? this.#fresh(kind, id) : undefined
    const entry = fresh ? fresh.entry : await this.#renew(kind, id, keyOf(kind, id), signal)
    return entry as Entry<K> | undefined // the key says the kind
  }

  #fresh(kind: Kind, id: string): Held | undefined {
    const held = this.#cache.get(keyOf(kind, id))
    if (held === undefined || !this.#freshness.isFresh(held)) return undefined
    this.#counters.hits++
    return held
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
    const older = this.#freshness.servable(this.#cache.get(key))
    if (older !== undefined && (this.#reader.isDown || this.#refused.isPaused(key))) {
      if (this.#reader.isDown) this.#probe(kind, id, key)
      this.#counters.staleServed++
      return older
    }
    const refused = this.#refused.recent(key)
    if (refused !== undefined) throw refused
    const read = this.#flights.run(key, () => this.#read(kind, id, key))
    try {
      const { patienceMs } = this.#options
      return await unlessAborted(
        older === undefined ? read : within(read, patienceMs, () => this.#slow(key)),
        signal,
      )
    } catch (error) {
      // Ended by close(), the read says nothing of the registry.
      this.#refuseClosed()
      // Asked again: the read may have taken long, and what is held may be another by now.
      const still =
        error instanceof RegistryUnavailableError ? this.#freshness.servable(this.#cache.get(key)) : undefined
      if (still === undefined) throw error
      this.#counters.staleServed++
      return still
    }
  }

  async #read(kind: Kind, id: string, key: string): Promise<Entry | undefined> {
    // Asked again: it may have waited for the read before it.
    this.#refuseClosed()
    const pending = this.#cache.begin(key)
    try {
      let entry = await this.#reader.find(kind, id)
      // That there is nothing may have been said just before the registry was whole again: it counts if said twice.
      if (entry === undefined && (await this.#census.refuseVanished(key)))
        entry = await this.#reader.find(kind, id)
      this.#cache.store(pending, entry, this.#heardAt)
      this.#refused.accept(key)
      if (entry?.mayLag || this.#cache.isChangeHeard(key)) this.#refused.pause(key, LAG_PAUSE_MS)
      if (entry?.mayLag && this.#freshness.servable(this.#cache.get(key)) === undefined) {
        throw new RegistryUnavailableError(`what is known of ${key} is too old, and the registry may lag`)
      }
      return entry
    } catch (error) {
      if (error instanceof AnswerRefusedError) this.#refused.refuse(key, error)
      throw error
    } finally {
      // What was heard meanwhile is a reason to ask again at once.
      if (pending.isOvertaken) this.#refused.askAgain(key)
      this.#cache.end(pending)
    }
  }

  /** Tries whether the registry answers again, for nobody in particular. */
  #probe(kind: Kind, id: string, key: string): void {
    const now = performance.now()
    if (now - this.#probedAt < PROBE_MS || this.#flights.size > 0 || !this.#reader.isFree) return
    this.#probedAt = now
    this.#flights.run(key, () => this.#read(kind, id, key)).catch(() => {}) // counted where it failed
  }

  #slow(key: string): RegistryUnavailableError {
    this.#reader.tooSlow()
    return new RegistryUnavailableError(
      `no ${key} in ${this.#options.patienceMs} ms, an older answer is held`,
    )
  }

  get #heardAt(): number {
    return this.#follower.heardAt ?? Number.NEGATIVE_INFINITY
  }

  #hear(batch: ChangeBatch): void {
    this.#reader.heard()
    if (batch.type === 'reset') {
      this.#flights.overtakeAll()
      this.#cache.announceAll(this.#heardAt)
      this.#refused.askAgain()
      this.#census.countAgain()
      this.#listeners.tell('reset')
      return
    }
    for (const change of batch.changes) {
      this.#announce(change)
      this.#listeners.tell({ kind: change.kind, id: change.id })
    }
  }

  #announce(change: Change): void {
    const key = keyOf(change.kind, change.id)
    this.#flights.overtake(key)
    this.#cache.announce(key, change, this.#heardAt)
    this.#refused.askAgain(key)
  }
}

function keyOf(kind: Kind, id: string): string {
  return `${kind} ${id}`
}
