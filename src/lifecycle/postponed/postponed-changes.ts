import { RegistryUnavailableError } from '../../errors.ts'
import { Wakeup } from '../../registry/wakeup.ts'

const TRY_EVERY_MS = 1_000
/** More than an operator can ask for by hand in an outage; each is a few hundred bytes. */
const MAX_WAITING = 1_000

interface Change {
  readonly name: string
  readonly work: () => Promise<unknown>
  /** Once it was done, or cannot be done any more. */
  readonly settled: () => void
}

export interface PostponedTerms {
  /** Hears of each that cannot be done, and of those that are left at the end. */
  readonly onFault: (name: string, fault: unknown) => void
  readonly tryEveryMs?: number
  readonly maxWaiting?: number
}

/**
 * Changes that were asked for while the registry could not be asked: tried again, in their order, until each is done, refused
 * or `close()`. They are in memory only: what is left then, or when the process is killed, was not done.
 */
export class PostponedChanges implements AsyncDisposable {
  readonly #terms: Required<PostponedTerms>
  readonly #waiting = new Map<string, Change>()
  readonly #closed = new AbortController()
  readonly #wakeup = new Wakeup()
  #trying: Promise<void> | undefined
  #closing: Promise<void> | undefined

  constructor(terms: PostponedTerms) {
    this.#terms = { tryEveryMs: TRY_EVERY_MS, maxWaiting: MAX_WAITING, ...terms }
  }

  get count(): number {
    return this.#waiting.size
  }

  /**
   * @param name of which there is one: a later change takes an earlier one's place.
   * @param work may run again after it ran in part or whole.
   * @throws {RegistryUnavailableError} where too many wait already, or after `close()`.
   */
  postpone(name: string, work: () => Promise<unknown>, settled: () => void = () => {}): void {
    const { maxWaiting } = this.#terms
    const former = this.#waiting.get(name)
    if (former === undefined && this.#waiting.size >= maxWaiting)
      throw new RegistryUnavailableError(`${maxWaiting} changes wait for the registry already`)
    if (this.#closed.signal.aborted) throw new RegistryUnavailableError('nothing is postponed after close()')
    this.#waiting.set(name, { name, work, settled })
    former?.settled()
    this.#trying ??= this.#keepTrying().finally(() => {
      this.#trying = undefined
    })
  }

  /** Tries each once more. */
  close(): Promise<void> {
    return (this.#closing ??= this.#end())
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #end(): Promise<void> {
    this.#closed.abort()
    await this.#trying
    await this.#tryAll()
    for (const { name, settled } of this.#waiting.values()) {
      this.#terms.onFault(name, new RegistryUnavailableError('the registry did not come back before the end'))
      settled()
    }
    this.#waiting.clear()
  }

  async #keepTrying(): Promise<void> {
    while (this.#waiting.size > 0 && !this.#closed.signal.aborted) {
      await this.#wakeup.wait(this.#terms.tryEveryMs, this.#closed.signal)
      if (!this.#closed.signal.aborted) await this.#tryAll()
    }
  }

  /** Until one finds the registry away: so would the others. */
  async #tryAll(): Promise<void> {
    for (const change of this.#waiting.values()) {
      try {
        await change.work()
      } catch (fault) {
        if (fault instanceof RegistryUnavailableError) return
        this.#terms.onFault(change.name, fault)
      }
      // Unless a later one has taken its place meanwhile.
      if (this.#waiting.get(change.name) !== change) continue
      this.#waiting.delete(change.name)
      change.settled()
    }
  }
}
