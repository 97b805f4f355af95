import { randomUUID } from 'node:crypto'
import { AnswerRefusedError, RegistryUnavailableError, UnsupportedError } from '../../src/errors.ts'
import { unlessAborted } from '../../src/registry/abort.ts'
import { batchAfter, parsePosition } from '../../src/registry/change-log.ts'
import type { Change, ChangeBatch, Entry, Kind, Page, Put, Registry } from '../../src/registry/registry.ts'
import { Wakeup } from '../../src/registry/wakeup.ts'

/**
 * A registry in memory whose faults happen when a test says so, for what no real one does on demand: answers
 * from the past, changes that are lost, an answer that is under way while a change is heard.
 */
export class ControlledRegistry implements Registry {
  readonly id = randomUUID()
  /** `up`, refusing every call, answering none, or each `slowMs` late. A follower hears nothing but while it is `up`. */
  mode: 'up' | 'down' | 'hanging' | 'slow' = 'up'
  slowMs = 0
  /** What it answers instead of what it holds: that there is nothing, or what cannot be read. Nobody is told. */
  lie: 'none' | 'empty' | 'garbage' = 'none'
  /** Records that cannot be read, as `kind id`. */
  readonly spoilt = new Set<string>()
  /** Whether it says of what it answers from the past that it may lag, as Consul does without a leader. */
  isLagSaid = false
  /** Calls of `find` for one name at the same time, at most. */
  overlap = 0
  readonly #finding = new Map<string, number>()
  /** Calls of `find`, and what each answered. */
  readonly answers: (Entry | undefined)[] = []
  finds = 0
  /** Between two words to a follower while nothing happens. */
  pollMs = 50
  #revision = 0
  #entries = new Map<string, Entry>()
  /** What was held before each change. */
  readonly #history: ReadonlyMap<string, Entry>[] = []
  #past: ReadonlyMap<string, Entry> | undefined
  #log: Change[] = []
  #toldAgain: readonly Change[] = []
  #isMuted = false
  #gate: Promise<void> = Promise.resolve()
  readonly #followers = new Set<Wakeup>()
  #consumed = 0
  readonly #onConsumed = new Set<() => void>()

  put(put: Put): number {
    this.#history.push(new Map(this.#entries))
    this.#revision++
    this.#entries.set(`${put.kind} ${put.id}`, { ...put, revision: this.#revision })
    this.#publish(put.kind, put.id)
    return this.#revision
  }

  /** As after a restore: what is held now has an older revision than was given before. */
  putBack(put: Put, revision: number): void {
    this.#entries.set(`${put.kind} ${put.id}`, { ...put, revision })
  }

  remove(kind: Kind, id: string): void {
    this.#history.push(new Map(this.#entries))
    this.#revision++
    this.#entries.delete(`${kind} ${id}`)
    this.#publish(kind, id)
  }

  /** Answers from what it held before the last `changes`, whatever changes, until `catchUp()`. */
  lag(changes: number): void {
    this.#past ??= this.#history[Math.max(0, this.#history.length - changes)]
  }

  catchUp(): void {
    this.#past = undefined
  }

  /** Tells followers nothing; what they missed is gone from the log when they hear again. */
  mute(): void {
    this.#isMuted = true
  }

  unmute(): void {
    if (!this.#isMuted) return
    this.#isMuted = false
    this.#revision++
    this.#log = []
    this.#wake()
  }

  /** Tells the last changes once more, and in the wrong order. */
  tellAgain(): void {
    this.#toldAgain = this.#log.slice(-5).toReversed()
    this.#wake()
  }

  /** Finds that have their answer keep it back until the returned function is called. */
  holdAnswers(): () => void {
    let release = () => {}
    this.#gate = new Promise((resolve) => {
      release = resolve
    })
    return release
  }

  /** Resolves when the follower has taken in all that was published. */
  async heard(): Promise<void> {
    while (this.#consumed < this.#revision) {
      await new Promise<void>((resolve) => this.#onConsumed.add(resolve))
    }
  }

  async find<K extends Kind>(kind: K, id: string, signal?: AbortSignal): Promise<Entry<K> | undefined> {
    this.finds++
    const key = `${kind} ${id}`
    const finding = (this.#finding.get(key) ?? 0) + 1
    this.#finding.set(key, finding)
    this.overlap = Math.max(this.overlap, finding)
    try {
      const entry = await this.#answer(key, signal)
      this.answers.push(entry)
      return entry as Entry<K> | undefined // the key says the kind
    } finally {
      this.#finding.set(key, (this.#finding.get(key) ?? 1) - 1)
    }
  }

  async *changes(position: string | undefined, signal: AbortSignal): AsyncGenerator<ChangeBatch> {
    const wakeup = new Wakeup()
    this.#followers.add(wakeup)
    let at = parsePosition(position)
    while (!signal.aborted) {
      if (this.mode === 'up' && !this.#isMuted) {
        const batch = batchAfter({ revision: this.#revision, changes: this.#log }, at)
        at = Number(batch.position)
        yield batch
        if (this.#toldAgain.length > 0) {
          const changes = this.#toldAgain
          this.#toldAgain = []
          yield { type: 'changes', changes, position: String(at) }
        }
        this.#consumed = at
        for (const resolve of this.#onConsumed) resolve()
        this.#onConsumed.clear()
      }
      await wakeup.wait(this.pollMs, signal)
    }
  }

  findByAlias(): never {
    throw new UnsupportedError('findByAlias', 'the directory does not use it')
  }
  async list<K extends Kind>(kind: K): Promise<Page<K>> {
    if (this.mode !== 'up') throw new RegistryUnavailableError(this.mode)
    if (this.lie === 'empty') return { entries: [], next: undefined }
    const entries = [...this.#entries.values()].filter((entry): entry is Entry<K> => entry.kind === kind)
    return { entries, next: undefined }
  }
  tenantsByServer(): never {
    throw new UnsupportedError('tenantsByServer', 'the directory does not use it')
  }
  commit(): never {
    throw new UnsupportedError('commit', 'the directory does not use it')
  }
  auditTrail(): never {
    throw new UnsupportedError('auditTrail', 'the directory does not use it')
  }
  nextGeneration(): never {
    throw new UnsupportedError('nextGeneration', 'the directory does not use it')
  }
  async close(): Promise<void> {}
  async [Symbol.asyncDispose](): Promise<void> {}

  async #answer(key: string, signal: AbortSignal | undefined): Promise<Entry | undefined> {
    if (this.mode === 'hanging') {
      await new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)))
    }
    if (this.mode === 'down') throw new RegistryUnavailableError('down')
    // Heeds no signal, as what is under way in a network does not.
    if (this.mode === 'slow') await new Promise((resolve) => setTimeout(resolve, this.slowMs))
    if (this.lie === 'garbage' || this.spoilt.has(key))
      throw new AnswerRefusedError('unreadable', `${key} cannot be read`)
    const entry = this.lie === 'empty' ? undefined : (this.#past ?? this.#entries).get(key)
    const mayLag = this.#past !== undefined && this.isLagSaid
    await unlessAborted(this.#gate, signal)
    if (!mayLag) return entry
    if (entry === undefined) throw new RegistryUnavailableError('no leader')
    return { ...entry, mayLag: true }
  }

  #publish(kind: Kind, id: string): void {
    this.#log.push({ kind, id, revision: this.#revision })
    this.#wake()
  }

  #wake(): void {
    for (const follower of this.#followers) follower.notify()
  }
}
