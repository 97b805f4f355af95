import { AnswerRefusedError } from '../errors.ts'
import type { RecordCache } from './record-cache.ts'
import type { RegistryReader } from './registry-reader.ts'

const SAMPLE = 20
/** Of the records looked for; more missing is a fault of the registry, not the removal of records. */
const MAX_MISSING_SHARE = 0.2
/** An outcome is used again for so long, which bounds how often it is counted; loss is not over in a moment. */
const WHOLE_HOLDS_MS = 1_000
const LOSS_HOLDS_MS = 5_000

/**
 * Tells a record that was removed from a registry that was emptied, cut, or put back to where it held little:
 * looks whether a sample of what else is held is still there, or anything where nothing else is held.
 */
export class Census {
  readonly #cache: RecordCache
  readonly #reader: RegistryReader
  readonly #onFault: (fault: unknown) => void
  #running: Promise<boolean> | undefined
  #last: { readonly isWhole: boolean; readonly at: number } | undefined

  /** @param onFault is told once each time that the registry is found to have lost records. */
  constructor(cache: RecordCache, reader: RegistryReader, onFault: (fault: unknown) => void) {
    this.#cache = cache
    this.#reader = reader
    this.#onFault = onFault
  }

  /**
   * The registry answered that there is nothing of this key.
   * @throws {AnswerRefusedError} when a record is held, no change of it was heard, and much else is gone as well.
   * @throws {RegistryUnavailableError} when that cannot be found out.
   */
  async refuseVanished(key: string): Promise<void> {
    const isExplained = () => this.#cache.get(key)?.entry === undefined || this.#cache.isChangeHeard(key)
    if (isExplained() || (await this.#isWhole(key)) || isExplained()) return
    throw new AnswerRefusedError('vanished', `${key} is gone from the registry, and so is much else`)
  }

  #isWhole(except: string): Promise<boolean> {
    if (this.#running !== undefined) return this.#running
    const last = this.#last
    const holdsMs = last?.isWhole ? WHOLE_HOLDS_MS : LOSS_HOLDS_MS
    if (last !== undefined && performance.now() - last.at < holdsMs) return Promise.resolve(last.isWhole)
    this.#running = this.#count(except).finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  async #count(except: string): Promise<boolean> {
    const sample = this.#cache.sample(SAMPLE, except)
    const found = await Promise.all(sample.map(({ kind, id }) => this.#reader.find(kind, id)))
    const missing = found.filter((entry) => entry === undefined).length
    const isWhole =
      sample.length === 0 ? !(await this.#reader.isEmpty()) : missing <= sample.length * MAX_MISSING_SHARE
    if (!isWhole && this.#last?.isWhole !== false) {
      const lost = sample.length === 0 ? 'is empty' : `lost ${missing} of ${sample.length} records looked for`
      this.#onFault(
        new AnswerRefusedError('vanished', `the registry ${lost}: what is held of it stays in use`),
      )
    }
    this.#last = { isWhole, at: performance.now() }
    return isWhole
  }
}
