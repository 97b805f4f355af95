import { LRUCache } from 'lru-cache'
import { AnswerRefusedError } from '../errors.ts'
import type { Change, Entry } from './registry.ts'

/** What is known of one key. Without `entry`: that there is no such record. */
export interface Held {
  readonly entry: Entry | undefined
  /** The highest revision that was read, or was announced before a read found nothing. No read below it counts. */
  readonly seen: number
  /** The highest revision that was announced. */
  heard: number
  /** Until when it is known to have been true (`performance.now()`), changes heard since not counted. */
  checkedAt: number
  /** Changes were announced, or may have been missed, since it was read. */
  isStale: boolean
}

/** A read that is under way, so that changes announced meanwhile are not lost on its answer. */
export interface PendingRead {
  readonly key: string
  readonly startedAt: number
  readonly heardBefore: number
  isOvertaken: boolean
}

/**
 * Bounded memory of records and, apart from them so that they cannot push records out, of absences.
 * Invariant: per key, what is held never goes back to an older generation, nor within one to an older revision.
 */
export class RecordCache {
  readonly #records: LRUCache<string, Held>
  readonly #absences: LRUCache<string, Held>
  readonly #pending = new Map<string, PendingRead>()
  /** The last revisions announced of what is not held: a first read may find less, where the registry lags. */
  readonly #heardOf: LRUCache<string, number>
  #version = 0

  constructor(maxRecords: number, maxAbsences: number) {
    this.#records = new LRUCache({ max: maxRecords })
    this.#absences = new LRUCache({ max: maxAbsences })
    this.#heardOf = new LRUCache({ max: maxAbsences })
  }

  get records(): number {
    return this.#records.size
  }

  get absences(): number {
    return this.#absences.size
  }

  get(key: string): Held | undefined {
    return this.#records.get(key) ?? this.#absences.get(key)
  }

  /** Rises with everything that is stored. */
  get version(): number {
    return this.#version
  }

  /** The records, from the most recently used one. */
  held(): IterableIterator<Held> {
    return this.#records.values()
  }

  /** Takes in what was known before this process began, as older than anything that is read; last is most recent. */
  restore(key: string, entry: Entry, checkedAt: number): void {
    if (this.get(key) !== undefined || this.#pending.has(key)) return
    this.#records.set(key, { entry, seen: entry.revision, heard: 0, checkedAt, isStale: true })
  }

  /** Records by chance that no change was heard of since they were read. */
  sample(count: number, except: string): Entry[] {
    const chosen: Entry[] = []
    let met = 0
    for (const [key, { entry, heard }] of this.#records.entries()) {
      if (entry === undefined || key === except || heard > entry.revision) continue
      // Each of those met so far is among the chosen with equal chance.
      const place = met < count ? met : Math.floor(Math.random() * (met + 1))
      if (place < count) chosen[place] = entry
      met++
    }
    return chosen
  }

  /** Whether a change was heard that may be the removal of what is held. */
  isChangeHeard(key: string): boolean {
    const held = this.#records.peek(key)
    return held?.entry !== undefined && held.heard > held.entry.revision
  }

  /** Must be followed by `end()`. One read of a key at a time. */
  begin(key: string): PendingRead {
    const pending = {
      key,
      startedAt: performance.now(),
      heardBefore: this.get(key)?.heard ?? 0,
      isOvertaken: false,
    }
    this.#pending.set(key, pending)
    return pending
  }

  end(read: PendingRead): void {
    this.#pending.delete(read.key)
  }

  /**
   * @param heardAt until when everything not stale was known to be true.
   * @throws {AnswerRefusedError} when the answer is older than what is known, as from a replica that lags.
   */
  store(read: PendingRead, entry: Entry | undefined, heardAt: number): void {
    const held = this.get(read.key)
    const isNewer = isOfNewerGeneration(entry, held?.entry)
    const known = held?.seen ?? 0
    if (entry !== undefined && (isNewer === false || (isNewer === undefined && entry.revision < known))) {
      throw new AnswerRefusedError(
        'older',
        `the registry answered with revision ${entry.revision} of ${read.key}, ${known} was known`,
      )
    }
    this.#version++
    // What was heard of an earlier tenant of this name says nothing about this one.
    const heard = isNewer ? 0 : Math.max(held?.heard ?? 0, this.#heardOf.get(read.key) ?? 0)
    this.#heardOf.delete(read.key)
    // An answer that may lag proves nothing new about what was known before.
    const isProof = !entry?.mayLag || held?.entry === undefined
    const next: Held = {
      entry,
      seen: entry?.revision ?? Math.max(known, read.heardBefore),
      heard,
      checkedAt: isProof ? read.startedAt : knownUntil(held, heardAt),
      isStale: read.isOvertaken || (entry !== undefined && (entry.mayLag === true || entry.revision < heard)),
    }
    const [to, from] = entry === undefined ? [this.#absences, this.#records] : [this.#records, this.#absences]
    from.delete(read.key)
    to.set(read.key, next)
  }

  /** @param heardAt until when everything not stale was known to be true. */
  announce(key: string, { revision }: Pick<Change, 'revision'>, heardAt: number): void {
    const pending = this.#pending.get(key)
    if (pending !== undefined) pending.isOvertaken = true
    const held = this.#records.peek(key) ?? this.#absences.peek(key)
    if (held === undefined) {
      this.#heardOf.set(key, revision)
      return
    }
    held.heard = Math.max(held.heard, revision)
    // A read was quicker than the announcement of what it found.
    if (held.entry === undefined || held.entry.revision < revision) markStale(held, heardAt)
  }

  /** Changes may have been missed: everything must be read again before it counts as fresh. */
  announceAll(heardAt: number): void {
    for (const pending of this.#pending.values()) pending.isOvertaken = true
    for (const held of [...this.#records.values(), ...this.#absences.values()]) markStale(held, heardAt)
  }
}

/** Undefined where they are of the same generation, or of none. */
function isOfNewerGeneration(entry: Entry | undefined, than: Entry | undefined): boolean | undefined {
  const [one, other] = [entry, than].map((of) =>
    of !== undefined && 'generation' in of.record ? of.record.generation : undefined,
  )
  return one === undefined || other === undefined || one === other ? undefined : one > other
}

function markStale(held: Held, heardAt: number): void {
  held.checkedAt = knownUntil(held, heardAt)
  held.isStale = true
}

/** Until when it is known to have been true, where everything not stale was so until `heardAt`. */
export function knownUntil(held: Held, heardAt: number): number {
  return held.isStale ? held.checkedAt : Math.max(held.checkedAt, heardAt)
}
