import { RegistryUnavailableError } from '../../errors.ts'
import type { Directory } from '../directory.ts'
import type { Registry } from '../registry.ts'
import type { SnapshotFile } from './snapshot-file.ts'

/** Milliseconds. */
export interface SnapshotTimes {
  /** Between two writes, at least. */
  readonly everyMs?: number | undefined
  /** Between two writes, at most, while the registry speaks: what is held is then known to be true for longer. */
  readonly freshEveryMs?: number
}

/**
 * Keeps a directory's snapshot: written some time after something new was learnt, now and then while nothing is new
 * but the registry speaks, and a last time at `close()`. Invariant: one write at a time.
 */
export class SnapshotKeeper {
  readonly #file: SnapshotFile
  readonly #directory: Directory
  readonly #registry: Pick<Registry, 'id'>
  readonly #onFault: (fault: unknown) => void
  readonly #timer: NodeJS.Timeout
  readonly #freshEveryMs: number
  #writing: Promise<void> = Promise.resolve()
  #writtenVersion: number
  /** `performance.now()`. */
  #writtenAt = performance.now()
  #closing: Promise<void> | undefined

  /** @param onFault hears of writes that failed; the next one is tried in its time. */
  constructor(
    file: SnapshotFile,
    directory: Directory,
    registry: Pick<Registry, 'id'>,
    onFault: (fault: unknown) => void,
    { everyMs = 30_000, freshEveryMs = 300_000 }: SnapshotTimes = {},
  ) {
    this.#freshEveryMs = freshEveryMs
    this.#file = file
    this.#directory = directory
    this.#registry = registry
    this.#onFault = onFault
    this.#writtenVersion = directory.version
    this.#timer = setInterval(() => void this.#writeChanged(), everyMs).unref()
  }

  /** Stops, and writes what is new. Safe to call again. */
  close(): Promise<void> {
    clearInterval(this.#timer)
    return (this.#closing ??= this.#writeChanged())
  }

  #writeChanged(): Promise<void> {
    this.#writing = this.#writing.then(() => this.#write())
    return this.#writing
  }

  async #write(): Promise<void> {
    const { version } = this.#directory
    if (version === this.#writtenVersion && !this.#isFileOld()) return
    const now = performance.now()
    try {
      const writtenAt = Date.now()
      const entries = this.#directory.held(writtenAt)
      await this.#file.write({ registry: this.#registry.id, writtenAt, entries })
      this.#writtenVersion = version
      this.#writtenAt = now
    } catch (cause) {
      this.#onFault(new RegistryUnavailableError('the snapshot cannot be written', { cause }))
    }
  }

  /** A file of long ago is not used, though nothing changed since. */
  #isFileOld(): boolean {
    const age = performance.now() - this.#writtenAt
    if (age < this.#freshEveryMs || this.#directory.stats().records === 0) return false
    return this.#directory.stalenessSeconds() * 1_000 < age
  }
}
