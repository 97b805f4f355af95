import { AnswerRefusedError, RegistryUnavailableError } from '../errors.ts'
import { unlessAborted } from './abort.ts'
import { ReadGate } from './read-gate.ts'
import type { Entry, Kind, Registry } from './registry.ts'
import { within } from './within.ts'

/** Reads under way at once. */
const MAX_READS = 32

/** Reads one registry within bounds of time, number and rate, whatever it does and however many ask. */
export class RegistryReader {
  readonly #registry: Pick<Registry, 'find' | 'list'>
  readonly #timeoutMs: number
  readonly #gate = new ReadGate(MAX_READS)
  /** Reads under way, for `close()`. */
  readonly #reads = new Set<AbortController>()
  #isSlow = false
  #isClosed = false
  /** Reads that were begun, and those of them that failed. */
  readonly counters = { reads: 0, failures: 0 }

  constructor(registry: Pick<Registry, 'find' | 'list'>, timeoutMs: number) {
    this.#registry = registry
    this.#timeoutMs = timeoutMs
  }

  /** The last read failed or was slow, and nothing was heard since: who has something else does not wait. */
  get isDown(): boolean {
    return this.#isSlow || this.#gate.isFailing
  }

  /** Whether a read that nobody waits for would begin at once. */
  get isFree(): boolean {
    return this.#gate.isFree
  }

  /**
   * The time spent waiting for a turn counts.
   * @throws {RegistryUnavailableError} when there is no answer in time. {AnswerRefusedError} for what is no record.
   */
  find<K extends Kind>(kind: K, id: string): Promise<Entry<K> | undefined> {
    return this.#ask(`${kind} ${id}`, (signal) => this.#registry.find(kind, id, signal))
  }

  /**
   * Whether the registry holds nothing: there is no tenant without a server.
   * @throws {RegistryUnavailableError}
   */
  async isEmpty(): Promise<boolean> {
    const ask = (signal: AbortSignal) => this.#registry.list('server', undefined, { limit: 1 }, signal)
    return (await this.#ask('servers', ask)).entries.length === 0
  }

  /** The registry spoke: it need not be spared any more. */
  heard(): void {
    this.#isSlow = false
    this.#gate.heard()
  }

  /** A read takes longer than someone was willing to wait. */
  tooSlow(): void {
    this.#isSlow = true
  }

  /** Ends every read. */
  close(): void {
    this.#isClosed = true
    for (const read of this.#reads) read.abort()
    this.#gate.close()
  }

  async #ask<T>(what: string, ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (this.#isClosed) throw closed()
    const stop = new AbortController()
    this.#reads.add(stop)
    const late = () => new RegistryUnavailableError(`no answer about ${what} in ${this.#timeoutMs} ms`)
    try {
      return await within(this.#inTurn(ask, stop.signal), this.#timeoutMs, late)
    } catch (cause) {
      if (cause instanceof RegistryUnavailableError) throw cause
      throw this.#isClosed ? closed() : new RegistryUnavailableError(`cannot read ${what}`, { cause })
    } finally {
      this.#reads.delete(stop)
      stop.abort()
    }
  }

  async #inTurn<T>(ask: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
    const turn = this.#gate.enter(signal)
    if (turn !== undefined) await turn
    this.counters.reads++
    let outcome: 'answered' | 'failed' = 'failed'
    try {
      // Raced as well as aborted: a backend that is slow to hear the abort keeps nobody's place.
      const answer = await unlessAborted(ask(signal), signal)
      outcome = 'answered'
      this.#isSlow = false
      return answer
    } catch (error) {
      this.counters.failures++
      // A record that cannot be read says nothing about the others.
      if (error instanceof AnswerRefusedError) outcome = 'answered'
      throw error
    } finally {
      this.#gate.leave(outcome)
    }
  }
}

function closed(): RegistryUnavailableError {
  return new RegistryUnavailableError('the directory is closed')
}
