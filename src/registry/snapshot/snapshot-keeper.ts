import { RegistryUnavailableError } from '../../errors.ts'
import type { Directory } from '../directory.ts'
import type { Registry } from '../registry.ts'
import type { SnapshotFile } from './snapshot-file.ts'

/** Milliseconds between two writes, at least. */
const EVERY_MS = 30_000

/**
 * Keeps a directory's snapshot: written some time after something new was learnt, and a last time at `close()`. Invariant: one write at a time.
 */
export class SnapshotKeeper {
  readonly #file: SnapshotFile
  readonly #directory: Directory
  readonly #registry: Pick<Registry, 'id'>
  readonly #onFault: (fault: unknown) => void
  readonly #timer: NodeJS.Timeout
  #writing: Promise<void> = Promise.resolve()
  #writtenVersion: number
  #closing: Promise<void> | undefined

  /** @param onFault hears of writes that failed; the next one is tried in its time. */
  constructor(
    file: SnapshotFile,
    directory: Directory,
    registry: Pick<Registry, 'id'>,
    onFault: (fault: unknown) => void,
    everyMs = EVERY_MS,
  ) {
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
    // Nothing was read since: what the file says is at least as much.
    if (version === this.#writtenVersion) return
    try {
      const writtenAt = Date.now()
      const entries = this.#directory.held(writtenAt)
      await this.#file.write({ registry: this.#registry.id, writtenAt, entries })
      this.#writtenVersion = version
    } catch (cause) {
      this.#onFault(new RegistryUnavailableError('the snapshot cannot be written', { cause }))
    }
  }
}
