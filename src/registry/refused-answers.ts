import { LRUCache } from 'lru-cache'
import type { AnswerRefusedError } from '../errors.ts'

/** A name whose answer was refused is not asked about again for so long, give or take a quarter. */
const PAUSE_MS = 1_000
const MAX_NAMES = 10_000

interface Refused {
  readonly error: AnswerRefusedError | undefined
  /** `performance.now()`. */
  until: number
}

export type RefusalCounts = Readonly<Record<AnswerRefusedError['reason'], number>>

/** Answers of the registry that were not believed: each is reported once, and not asked for again at once. */
export class RefusedAnswers {
  readonly #names = new LRUCache<string, Refused>({ max: MAX_NAMES })
  readonly #onFault: (fault: unknown) => void
  readonly #counts = { unreadable: 0, older: 0, vanished: 0 }

  constructor(onFault: (fault: unknown) => void) {
    this.#onFault = onFault
  }

  get counts(): RefusalCounts {
    return { ...this.#counts }
  }

  /** Whoever finds that many have vanished reports it himself, once for all. */
  refuse(key: string, error: AnswerRefusedError): void {
    this.#counts[error.reason]++
    const before = this.#names.get(key)?.error
    this.#names.set(key, { error, until: performance.now() + PAUSE_MS * (0.75 + Math.random() / 2) })
    if (error.reason !== 'vanished' && before?.reason !== error.reason) this.#onFault(error)
  }

  /** What was answered may be older than what was heard of: asked again, but not by everyone at once. */
  pause(key: string, ms: number): void {
    this.#names.set(key, { error: undefined, until: performance.now() + ms })
  }

  /** A good answer: the next bad one is reported again. */
  accept(key: string): void {
    this.#names.delete(key)
  }

  isPaused(key: string): boolean {
    return performance.now() < (this.#names.peek(key)?.until ?? Number.NEGATIVE_INFINITY)
  }

  /** Of an answer that was refused just now. */
  recent(key: string): AnswerRefusedError | undefined {
    return this.isPaused(key) ? this.#names.peek(key)?.error : undefined
  }

  /** There is a reason to ask again, if for any of them then for all. */
  askAgain(key?: string): void {
    const names = key === undefined ? this.#names.values() : [this.#names.peek(key)]
    for (const refused of names) if (refused !== undefined) refused.until = Number.NEGATIVE_INFINITY
  }
}
