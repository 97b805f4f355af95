import { type AuditKey, isSealed, type SealedAudit } from './audit-key.ts'
import type { AuditHead, TrailEntry } from './audit-trail.ts'

export interface TrailFault {
  /**
   * `unsealed`: entries without a seal; `unreadable`: what stands there is no entry; `changed`: not what was sealed;
   * `unknown_key`: sealed under a master key that this process does not have; `removed`: links before this one are
   * missing; `moved`: a link that was there already, or belongs further up; `replaced`: what stood before it is not what
   * it was sealed after; `cut`: the newest links are gone; `head`: the last link is not the one that the registry noted
   * beside the entries; `expected`: the link that an earlier verification ended with is not there any more.
   */
  readonly kind:
    | 'unsealed'
    | 'unreadable'
    | 'changed'
    | 'unknown_key'
    | 'removed'
    | 'moved'
    | 'replaced'
    | 'cut'
    | 'head'
    | 'expected'
  /** Of the entry at which it shows, and of the last one of a stretch; null at the end of all. */
  readonly position: string | null
  readonly until: string | null
  /** Of the first link that is at fault, where there is one. */
  readonly link: number | null
  /** How many entries, or missing links. */
  readonly count: number
}

export interface TrailVerdict {
  /** Nothing is at fault. */
  readonly whole: boolean
  readonly entries: number
  readonly sealed: number
  /** The first; null where there is none. */
  readonly fault: TrailFault | null
  /** All of them, a stretch of unsealed entries counted as one. */
  readonly faults: number
  /** The last link. Kept elsewhere, it shows later that nothing was cut off since. */
  readonly head: AuditHead | null
}

interface Stretch {
  readonly kind: 'unsealed' | 'unreadable'
  readonly position: string
  until: string
  count: number
}

/** Walks over a trail, oldest entry first, and says where it is not as it was sealed. */
export class TrailCheck {
  readonly #key: AuditKey
  readonly #registry: string
  readonly #expected: AuditHead | undefined
  #last: AuditHead | undefined
  #entries = 0
  #sealed = 0
  #faults = 0
  #first: TrailFault | null = null
  #stretch: Stretch | undefined
  #isExpectedMet: boolean

  /**
   * @param before the link that the first must follow, `NO_HEAD` at the start of all; undefined: whatever comes first is
   * taken for what it is.
   * @param expected a link that must be there.
   */
  constructor(key: AuditKey, registry: string, before: AuditHead | undefined, expected?: AuditHead) {
    this.#key = key
    this.#registry = registry
    this.#last = before
    this.#expected = expected
    this.#isExpectedMet = expected === undefined
  }

  add({ position, audit }: TrailEntry): void {
    this.#entries += 1
    if (audit === undefined || !isSealed(audit)) {
      this.#note(audit === undefined ? 'unreadable' : 'unsealed', position)
      return
    }
    this.#endStretch()
    this.#sealed += 1
    const { seal } = audit
    this.#compare(audit, position)
    this.#last = { link: seal.link, mac: seal.mac }
    if (seal.link === this.#expected?.link && seal.mac === this.#expected.mac) this.#isExpectedMet = true
  }

  /** @param head as the registry keeps it beside the entries, and not newer than they are. */
  end(head: AuditHead): TrailVerdict {
    this.#endStretch()
    const last = this.#last
    const at = { position: null, until: null }
    // From the middle of a trail on without any link: the last one stands before, and nothing is known of it.
    if (last !== undefined && head.link > last.link)
      this.#fault({ kind: 'cut', ...at, link: last.link + 1, count: head.link - last.link })
    else if (head.link === last?.link && head.mac !== last.mac)
      this.#fault({ kind: 'head', ...at, link: last.link, count: 1 })
    if (!this.#isExpectedMet)
      this.#fault({ kind: 'expected', ...at, link: this.#expected?.link ?? null, count: 1 })
    return {
      whole: this.#faults === 0,
      entries: this.#entries,
      sealed: this.#sealed,
      fault: this.#first,
      faults: this.#faults,
      head: this.#sealed > 0 && last !== undefined ? last : null,
    }
  }

  #compare(audit: SealedAudit, position: string): void {
    const { link, previous } = audit.seal
    const at = { position, until: position, link }
    const own = this.#key.faultOf(audit, this.#registry)
    if (own !== undefined) this.#fault({ kind: own, ...at, count: 1 })
    const last = this.#last
    // What an entry says of its place counts only where it is what was sealed.
    if (last === undefined || own === 'changed') return
    if (link > last.link + 1)
      this.#fault({ kind: 'removed', ...at, link: last.link + 1, count: link - last.link - 1 })
    else if (link <= last.link) this.#fault({ kind: 'moved', ...at, count: 1 })
    else if (previous !== last.mac) this.#fault({ kind: 'replaced', ...at, count: 1 })
  }

  #note(kind: Stretch['kind'], position: string): void {
    if (this.#stretch?.kind !== kind) {
      this.#endStretch()
      this.#stretch = { kind, position, until: position, count: 0 }
    }
    this.#stretch.until = position
    this.#stretch.count += 1
  }

  #endStretch(): void {
    if (this.#stretch === undefined) return
    this.#fault({ ...this.#stretch, link: null })
    this.#stretch = undefined
  }

  #fault(fault: TrailFault): void {
    this.#faults += 1
    this.#first ??= fault
  }
}
