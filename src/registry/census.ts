import { AnswerRefusedError } from '../errors.ts'
import type { RecordCache } from './record-cache.ts'
import type { Entry } from './registry.ts'
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
  #running: Promise<boolean | undefined> | undefined
  #last: { readonly isWhole: boolean | undefined; readonly at: number } | undefined
  #isReported = false

  /** @param onFault is told once each time that the registry is found to have lost records. */
  constructor(cache: RecordCache, reader: RegistryReader, onFault: (fault: unknown) => void) {
    this.#cache = cache
    this.#reader = reader
    this.#onFault = onFault
  }

  /**
   * The registry answered that there is nothing of this key. A change that was heard of may have been its removal,
   * or come before everything was lost.
   * @returns whether a record of it is held, and what else is held is still there.
   * @throws {AnswerRefusedError} when a record is held, and what else is held is gone as well.
   * @throws {RegistryUnavailableError} when that cannot be found out.
   */
  async refuseVanished(key: string): Promise<boolean> {
    if (this.#cache.get(key)?.entry === undefined) return false
    const isWhole =
      (await this.#compared(key)) ?? (this.#cache.isChangeHeard(key) || (await this.#isAnythingThere()))
    if (isWhole || this.#cache.get(key)?.entry === undefined) return true
    throw new AnswerRefusedError('vanished', `${key} is gone from the registry, and so is much else`)
  }

  /** Changes may have been missed: what was found before says nothing about now. */
  countAgain(): void {
    if (this.#last?.isWhole) this.#last = undefined
  }

  /** Undefined when nothing else is held. */
  #compared(except: string): Promise<boolean | undefined> {
    if (this.#running !== undefined) return this.#running
    const last = this.#last
    const holdsMs = last?.isWhole === false ? LOSS_HOLDS_MS : WHOLE_HOLDS_MS
    if (last !== undefined && performance.now() - last.at < holdsMs) return Promise.resolve(last.isWhole)
    this.#running = this.#compare(except).finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  async #compare(except: string): Promise<boolean | undefined> {
    const sample = this.#cache.sample(SAMPLE, except)
    const found = await Promise.all(sample.map((entry) => this.#isHere(entry)))
    const missing = found.filter((isHere) => !isHere).length
    const isWhole = sample.length === 0 ? undefined : missing <= sample.length * MAX_MISSING_SHARE
    this.#last = { isWhole, at: performance.now() }
    if (isWhole !== undefined) this.#report(isWhole, `lost ${missing} of ${sample.length} records looked for`)
    return isWhole
  }

  async #isHere({ kind, id }: Entry): Promise<boolean> {
    try {
      return (await this.#reader.find(kind, id)) !== undefined
    } catch (error) {
      if (error instanceof AnswerRefusedError) return true // what cannot be read is there
      throw error
    }
  }

  async #isAnythingThere(): Promise<boolean> {
    const isThere = !(await this.#reader.isEmpty())
    this.#report(isThere, 'is empty')
    return isThere
  }

  #report(isWhole: boolean, what: string): void {
    if (!isWhole && !this.#isReported) {
      this.#onFault(
        new AnswerRefusedError('vanished', `the registry ${what}: what is held of it stays in use`),
      )
    }
    this.#isReported = !isWhole
  }
}
