import { SnapshotRefusedError } from '../errors.ts'
import type { Secret } from '../secret.ts'
import { AuditKey } from './audit/audit-key.ts'
import { AwaitedRegistry } from './awaited-registry.ts'
import { Directory } from './directory.ts'
import { DirectoryOptions } from './directory-options.ts'
import type { MasterKeys } from './master-keys.ts'
import { openRegistry } from './open-registry.ts'
import type { Snapshot } from './snapshot/snapshot.ts'
import type { SnapshotFile } from './snapshot/snapshot-file.ts'
import { SnapshotKeeper } from './snapshot/snapshot-keeper.ts'

export interface RegistryAccessOptions {
  readonly url: string | Secret
  /** Signs the snapshot, and seals the audit. */
  readonly keys: MasterKeys
  /** Milliseconds that an active tenant is served for while the registry cannot be asked. */
  readonly staleMaxMs: number
  /** Milliseconds that `start()` waits for the registry to open. */
  readonly waitMs: number
  /** Where what is held is kept for the next process. Default: nowhere. */
  readonly snapshotFile?: string | undefined
  /** Milliseconds between two writes of it, at least. */
  readonly snapshotEveryMs?: number
  /** Whether a Postgres registry of an older schema is brought to what this version knows. Default: true. */
  readonly migrate?: boolean
  /** Hears of what goes wrong in the background. */
  readonly onFault: (fault: unknown) => void
}

/** A registry, the directory that reads it, and its snapshot, from `start()` until `close()`. */
export class RegistryAccess implements AsyncDisposable {
  readonly registry: AwaitedRegistry
  readonly directory: Directory
  /** Tenants can be served: the registry has answered, or a snapshot stands in for it. */
  readonly isUsable: boolean
  readonly #keeper: SnapshotKeeper | undefined
  #closing: Promise<void> | undefined

  private constructor(
    registry: AwaitedRegistry,
    snapshot: Snapshot | undefined,
    file: SnapshotFile | undefined,
    { staleMaxMs, snapshotEveryMs, onFault }: RegistryAccessOptions,
  ) {
    this.registry = registry
    this.directory = new Directory(registry, { staleMaxMs }, onFault)
    if (snapshot !== undefined) this.directory.restore(snapshot.entries, Date.now())
    this.isUsable = registry.isOpen || snapshot !== undefined
    // Where little may be stale, a file is of no use for long.
    const times = { everyMs: snapshotEveryMs, freshEveryMs: Math.min(300_000, staleMaxMs / 4) }
    this.#keeper = file && new SnapshotKeeper(file, this.directory, registry, onFault, times)
  }

  /**
   * Resolves after the first try to open the registry, or `waitMs`. Where that failed, it is tried on in the background, and
   * the directory serves what the snapshot holds.
   * @throws {InvalidConfigError | InvalidDsnError | RegistryTooNewError | RegistryTooOldError} what waiting would not make right.
   */
  static async start(options: RegistryAccessOptions): Promise<RegistryAccess> {
    DirectoryOptions.parse({ staleMaxMs: options.staleMaxMs }) // before anything is open
    const file = await snapshotFileOf(options)
    // Before the registry is tried: from then on nothing is awaited until it is known which one to expect.
    const snapshot = await readSnapshot(file, options)
    const { url, keys, onFault, waitMs, migrate = true } = options
    const auditKey = new AuditKey(keys)
    const open = (signal: AbortSignal) => openRegistry(url, { onFault, signal, auditKey, migrate })
    const registry = await AwaitedRegistry.start(open, onFault, waitMs)
    if (snapshot === undefined) return new RegistryAccess(registry, undefined, file, options)
    if (!registry.isOpen || registry.id === snapshot.registry) {
      registry.expect(snapshot.registry)
      return new RegistryAccess(registry, snapshot, file, options)
    }
    onFault(
      new SnapshotRefusedError(
        'the snapshot is not used: it is of another registry than the one that answers',
      ),
    )
    return new RegistryAccess(registry, undefined, file, options)
  }

  /** Writes the snapshot a last time and closes the rest. Safe to call again. */
  close(): Promise<void> {
    return (this.#closing ??= this.#end())
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #end(): Promise<void> {
    await this.#keeper?.close()
    await this.directory.close()
    await this.registry.close()
  }
}

/** What it needs is loaded only where there is one. */
async function snapshotFileOf(options: RegistryAccessOptions): Promise<SnapshotFile | undefined> {
  const { snapshotFile, keys, url } = options
  if (snapshotFile === undefined) return undefined
  const { SnapshotFile } = await import('./snapshot/snapshot-file.ts')
  return new SnapshotFile(snapshotFile, keys, url)
}

/** Undefined where there is none that may be used; why not is reported. */
async function readSnapshot(
  file: SnapshotFile | undefined,
  { staleMaxMs, onFault }: RegistryAccessOptions,
): Promise<Snapshot | undefined> {
  try {
    const snapshot = await file?.read()
    if (snapshot === undefined) return undefined
    const age = Date.now() - snapshot.writtenAt
    if (age <= staleMaxMs) return snapshot
    throw new SnapshotRefusedError(
      `the snapshot is not used: it is ${minutes(age)} min old, at most ${minutes(staleMaxMs)} min are served`,
    )
  } catch (fault) {
    onFault(fault)
    return undefined
  }
}

function minutes(ms: number): number {
  return Math.round(ms / 60_000)
}
