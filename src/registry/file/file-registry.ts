import { mkdir, realpath } from 'node:fs/promises'
import { dirname } from 'node:path'
import { CancelledError, RegistryUnavailableError, RevisionConflictError } from '../../errors.ts'
import { refuseAborted } from '../abort.ts'
import { type AliasKind, aliasId } from '../alias-record.ts'
import { draftOf } from '../audit/audit-draft.ts'
import type { AuditKey } from '../audit/audit-key.ts'
import type { TrailFilter, TrailPage } from '../audit/audit-trail.ts'
import { batchAfter, parsePosition } from '../change-log.ts'
import { refuseMalformedCommit } from '../commit-rules.ts'
import { pageSize, passing } from '../list-filter.ts'
import type {
  ChangeBatch,
  Commit,
  Entry,
  Expectation,
  Kind,
  ListFilter,
  Page,
  Registry,
} from '../registry.ts'
import { countByServer } from '../vicinity.ts'
import { Wakeup } from '../wakeup.ts'
import { AuditFile } from './audit-file.ts'
import { entryKey, type FileState, withCommit } from './file-state.ts'
import { FileWatch } from './file-watch.ts'
import { RegistryFile } from './registry-file.ts'

export interface FileRegistryOptions {
  /** Changes kept for followers. Default 256: the whole file is written anew with each commit. */
  readonly maxChanges?: number
  /** Milliseconds between looks at the file, beside the events of its folder. Default 1,000. */
  readonly pollMs?: number
  /** Hears of a file that cannot be read or understood, once for each fault. */
  readonly onFault?: (fault: Error) => void
  /** Seals what is written into the audit. Default: it stays unsealed. */
  readonly auditKey?: AuditKey | undefined
}

/**
 * A registry in one YAML file, for one machine: several processes may use it at once. Reads look at the
 * file each time (one `stat`), so a commit elsewhere is seen at once. A faulty file leaves the last good
 * state in use; what that does not hold is then unavailable rather than absent.
 */
export class FileRegistry implements Registry {
  readonly #file: RegistryFile
  readonly #audit: AuditFile
  readonly #maxChanges: number
  readonly #pollMs: number
  readonly #onFault: (fault: Error) => void
  readonly #watch: FileWatch
  readonly #closed = new AbortController()
  readonly #followers = new Set<Wakeup>()
  /** What the last look found wrong, and whether that was reported. */
  #fault: { readonly message: string; isReported: boolean } | undefined
  #closing: Promise<void> | undefined

  private constructor(path: string, file: RegistryFile, options: Required<FileRegistryOptions>) {
    this.#file = file
    this.#audit = new AuditFile(path, options.auditKey, file.state.id)
    this.#maxChanges = options.maxChanges
    this.#pollMs = options.pollMs
    this.#onFault = options.onFault
    this.#watch = new FileWatch(path, options.pollMs, () => void this.#follow())
  }

  /**
   * Makes the file, and the folder it is in, where there is none.
   * @throws {InvalidConfigError} naming line and field of each fault. {RegistryTooNewError} {RegistryUnavailableError}
   */
  static async open(path: string, options: FileRegistryOptions = {}): Promise<FileRegistry> {
    const resolved = { maxChanges: 256, pollMs: 1_000, onFault: () => {}, auditKey: undefined, ...options }
    await mkdir(dirname(path), { recursive: true, mode: 0o700 }).catch((cause: unknown) => {
      throw new RegistryUnavailableError(`cannot make the folder of ${path}`, { cause })
    })
    // A replaced symlink would leave the file it names behind.
    const target = await realpath(path).catch(() => path)
    const file = await RegistryFile.open(target, resolved.maxChanges)
    return new FileRegistry(target, file, resolved)
  }

  get id(): string {
    return this.#file.state.id
  }

  async find<K extends Kind>(kind: K, id: string, signal?: AbortSignal): Promise<Entry<K> | undefined> {
    const state = await this.#current(signal)
    const entry = state.entries.get(entryKey(kind, id))
    if (entry === undefined && this.#file.fault !== undefined) {
      throw new RegistryUnavailableError(`the file is faulty and ${kind} ${id} was not in it before`, {
        cause: this.#file.fault,
      })
    }
    return entry as Entry<K> | undefined // the key says the kind
  }

  async findByAlias(
    kind: AliasKind,
    value: string,
    signal?: AbortSignal,
  ): Promise<Entry<'tenant'> | undefined> {
    const alias = await this.find('alias', aliasId(kind, value), signal)
    return alias === undefined ? undefined : this.find('tenant', alias.record.tenant, signal)
  }

  async list<K extends Kind>(
    kind: K,
    cursor?: string,
    filter?: ListFilter,
    signal?: AbortSignal,
  ): Promise<Page<K>> {
    const state = await this.#current(signal)
    const passes = passing(filter)
    const all = [...state.entries.values()]
      .filter((entry) => entry.kind === kind && (cursor === undefined || entry.id > cursor) && passes(entry))
      .sort((a, b) => (a.id < b.id ? -1 : 1)) as Entry<K>[] // filtered by kind
    const entries = all.slice(0, pageSize(filter))
    return { entries, next: entries.length < all.length ? entries.at(-1)?.id : undefined }
  }

  async tenantsByServer(signal?: AbortSignal): Promise<ReadonlyMap<string, number>> {
    const { entries } = await this.#current(signal)
    return countByServer(
      [...entries.values()].filter((entry) => entry.kind === 'tenant') as Entry<'tenant'>[],
    )
  }

  async commit(commit: Commit, expectations: readonly Expectation[]): Promise<readonly number[]> {
    this.#refuseClosed()
    refuseMalformedCommit(commit, expectations)
    const draft = draftOf(commit)
    const next = await this.#file.update(
      (state) => {
        refuseUnexpected(state, expectations)
        return withCommit(state, commit, this.#maxChanges)
      },
      {
        note: (next, present) => this.#audit.note(draft, next.revision, present.revision),
        undone: (next, present) => this.#audit.undone(draft, next.revision, present.revision),
      },
    )
    this.#wakeFollowers()
    return (commit.puts ?? []).map(({ kind, id }) => next.entries.get(entryKey(kind, id))?.revision ?? 0)
  }

  async auditTrail(cursor?: string, filter?: TrailFilter, signal?: AbortSignal): Promise<TrailPage> {
    this.#refuseClosed()
    refuseAborted(signal)
    try {
      return await this.#audit.page(cursor, filter, signal)
    } catch (cause) {
      if (cause instanceof CancelledError) throw cause
      throw new RegistryUnavailableError("the audit beside the registry's file cannot be read", { cause })
    }
  }

  async nextGeneration(): Promise<number> {
    this.#refuseClosed()
    const { generation } = await this.#file.update((state) => ({
      ...state,
      generation: state.generation + 1,
    }))
    return generation
  }

  async *changes(position: string | undefined, signal: AbortSignal): AsyncGenerator<ChangeBatch> {
    const stopped = AbortSignal.any([signal, this.#closed.signal])
    const wakeup = new Wakeup()
    this.#followers.add(wakeup)
    let at = parsePosition(position)
    try {
      while (!stopped.aborted) {
        if (await this.#follow()) {
          const batch = batchAfter(this.#file.state, at)
          at = Number(batch.position)
          yield batch
        }
        await wakeup.wait(this.#pollMs, stopped)
      }
    } finally {
      this.#followers.delete(wakeup)
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#end()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #end(): Promise<void> {
    this.#watch.close()
    this.#closed.abort()
    await this.#file.settled()
  }

  /** The state as of now. */
  async #current(signal: AbortSignal | undefined): Promise<FileState> {
    this.#refuseClosed()
    refuseAborted(signal)
    await this.#file.refresh()
    refuseAborted(signal)
    return this.#file.state
  }

  /** Looks at the file on behalf of followers. @returns whether they now hear what it says. */
  async #follow(): Promise<boolean> {
    const before = this.#file.state
    let fault: Error | undefined
    try {
      await this.#file.refresh()
      fault = this.#file.fault
    } catch (error) {
      fault =
        error instanceof Error
          ? error
          : new RegistryUnavailableError('the file cannot be read', { cause: error })
    }
    this.#report(fault)
    if (this.#file.state !== before) this.#wakeFollowers()
    return fault === undefined
  }

  /** Once for each fault, when a second look finds it still there: a file is seen while it is being written, too. */
  #report(fault: Error | undefined): void {
    if (fault === undefined || fault.message !== this.#fault?.message) {
      this.#fault = fault && { message: fault.message, isReported: false }
    } else if (!this.#fault.isReported) {
      this.#fault.isReported = true
      this.#onFault(fault)
    }
  }

  #wakeFollowers(): void {
    for (const follower of this.#followers) follower.notify()
  }

  #refuseClosed(): void {
    if (this.#closing !== undefined) throw new RegistryUnavailableError('the registry is closed')
  }
}

function refuseUnexpected(state: FileState, expectations: readonly Expectation[]): void {
  for (const { kind, id, revision } of expectations) {
    const found = state.entries.get(entryKey(kind, id))?.revision ?? 0
    if (found !== revision) {
      throw new RevisionConflictError(`${kind} ${id}: expected revision ${revision}, found ${found}`)
    }
  }
}
