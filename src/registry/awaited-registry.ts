import { RegistryUnavailableError } from '../errors.ts'
import type { AliasKind } from './alias-record.ts'
import type { TrailFilter, TrailPage } from './audit/audit-trail.ts'
import type { ChangeBatch, Commit, Entry, Expectation, Kind, ListFilter, Page, Registry } from './registry.ts'
import { Wakeup } from './wakeup.ts'
import { within } from './within.ts'

const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 1_000
const MAX_TRIES_AT_ONCE = 5

/**
 * A registry that may not answer yet: it is tried again with growing pauses until it opens or `close()`. Until then
 * every call throws `RegistryUnavailableError`, and `changes` waits.
 */
export class AwaitedRegistry implements Registry {
  readonly #open: (signal: AbortSignal) => Promise<Registry>
  readonly #onFault: (fault: unknown) => void
  readonly #closed = new AbortController()
  #opening: Promise<void> = Promise.resolve()
  /** Ends those that are not needed any more. */
  readonly #stopTrying = new AbortController()
  readonly #tries = new Set<Promise<void>>()
  #registry: Registry | undefined
  #expectedId: string | undefined
  #fault: unknown
  #closing: Promise<void> | undefined

  private constructor(open: (signal: AbortSignal) => Promise<Registry>, onFault: (fault: unknown) => void) {
    this.#open = open
    this.#onFault = onFault
  }

  /**
   * Resolves after the first try, whether it opened or was not available, or after `waitMs`.
   * @param onFault hears why it does not open, once for each reason.
   * @throws whatever else `open` throws until then: what is wrong then does not get right by waiting.
   */
  static async start(
    open: (signal: AbortSignal) => Promise<Registry>,
    onFault: (fault: unknown) => void,
    waitMs: number,
  ): Promise<AwaitedRegistry> {
    const awaited = new AwaitedRegistry(open, onFault)
    const first = open(awaited.#stopTrying.signal)
    const late = () => new RegistryUnavailableError(`the registry did not open in ${waitMs} ms`)
    try {
      awaited.#registry = await within(first, waitMs, late)
    } catch (error) {
      if (!(error instanceof RegistryUnavailableError)) throw error
      awaited.#report(error)
      void awaited.#begin(first)
      awaited.#opening = awaited.#keepTrying()
    }
    return awaited
  }

  get isOpen(): boolean {
    return this.#registry !== undefined
  }

  /** Why it did not open, as far as was seen last. */
  get fault(): unknown {
    return this.#fault
  }

  /** Resolves when it is open, or closed; never rejects. */
  get opened(): Promise<void> {
    return this.#opening
  }

  /** Known from elsewhere; a registry of another id is refused when it answers. */
  expect(id: string): void {
    this.#expectedId = id
  }

  get id(): string {
    return this.#registry?.id ?? this.#expectedId ?? this.#now().id
  }

  async find<K extends Kind>(kind: K, id: string, signal?: AbortSignal): Promise<Entry<K> | undefined> {
    return this.#now().find(kind, id, signal)
  }

  async findByAlias(
    kind: AliasKind,
    value: string,
    signal?: AbortSignal,
  ): Promise<Entry<'tenant'> | undefined> {
    return this.#now().findByAlias(kind, value, signal)
  }

  async list<K extends Kind>(
    kind: K,
    cursor?: string,
    filter?: ListFilter,
    signal?: AbortSignal,
  ): Promise<Page<K>> {
    return this.#now().list(kind, cursor, filter, signal)
  }

  async tenantsByServer(signal?: AbortSignal): Promise<ReadonlyMap<string, number>> {
    return this.#now().tenantsByServer(signal)
  }

  async commit(commit: Commit, expectations: readonly Expectation[]): Promise<readonly number[]> {
    return this.#now().commit(commit, expectations)
  }

  async auditTrail(cursor?: string, filter?: TrailFilter, signal?: AbortSignal): Promise<TrailPage> {
    return this.#now().auditTrail(cursor, filter, signal)
  }

  async nextGeneration(): Promise<number> {
    return this.#now().nextGeneration()
  }

  async *changes(position: string | undefined, signal: AbortSignal): AsyncGenerator<ChangeBatch> {
    const aborted = new Promise<void>((resolve) => {
      if (signal.aborted) resolve()
      signal.addEventListener('abort', () => resolve(), { once: true })
    })
    await Promise.race([this.#opening, aborted])
    if (!signal.aborted && this.#registry !== undefined) yield* this.#registry.changes(position, signal)
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#end())
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #end(): Promise<void> {
    this.#closed.abort()
    this.#stopTrying.abort()
    await this.#opening
    await Promise.all(this.#tries)
    await this.#registry?.close()
  }

  async #keepTrying(): Promise<void> {
    const { signal } = this.#closed
    for (let tries = 0; !signal.aborted && this.#registry === undefined; tries++) {
      const pause = Math.min(FIRST_PAUSE_MS * 2 ** tries, LONGEST_PAUSE_MS)
      await new Wakeup().wait(pause * (0.5 + Math.random() / 2), signal)
      if (signal.aborted || this.#registry !== undefined) break
      // One that hangs, as into a black hole, does not keep the next from finding the registry back.
      if (this.#tries.size >= MAX_TRIES_AT_ONCE) await Promise.race(this.#tries)
      if (signal.aborted || this.#registry !== undefined) break
      const attempt = this.#begin(this.#open(this.#stopTrying.signal))
      const patience = new AbortController()
      await Promise.race([attempt, new Wakeup().wait(LONGEST_PAUSE_MS, patience.signal)])
      patience.abort()
    }
  }

  #begin(opening: Promise<Registry>): Promise<void> {
    const attempt: Promise<void> = this.#try(opening).finally(() => this.#tries.delete(attempt))
    this.#tries.add(attempt)
    return attempt
  }

  async #try(opening: Promise<Registry>): Promise<void> {
    try {
      const registry = await opening
      const isExpected = this.#expectedId === undefined || registry.id === this.#expectedId
      if (isExpected && this.#registry === undefined) {
        this.#registry = registry
        this.#stopTrying.abort()
        return
      }
      await registry.close()
      if (isExpected) return // another try was quicker
      this.#report(
        new RegistryUnavailableError(
          `another registry answers: expected ${this.#expectedId}, as in the snapshot, found ${registry.id}`,
        ),
      )
    } catch (fault) {
      if (!this.#stopTrying.signal.aborted) this.#report(fault)
    }
  }

  #report(fault: unknown): void {
    const isKnown = messageOf(fault) === messageOf(this.#fault)
    this.#fault = fault
    if (!isKnown) this.#onFault(fault)
  }

  #now(): Registry {
    if (this.#registry !== undefined) return this.#registry
    throw new RegistryUnavailableError('the registry has not answered since the start')
  }
}

function messageOf(fault: unknown): string | undefined {
  return fault instanceof Error ? fault.message : undefined
}
