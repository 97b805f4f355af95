/**
 * Finds the member with the lowest key, where a member's key only ever rises: a change of key costs nothing
 * when it happens and is put right when the member comes to the top. `add` of a member that is in costs one
 * look-up, which is what happens all the time; all else is O(log n).
 * Invariants: each entry's noted key is at most its member's key and at least that of the entry above it.
 */
export class RisingHeap<Member> {
  readonly #keyOf: (member: Member) => number
  readonly #entries: { readonly member: Member; key: number }[] = []
  readonly #places = new Map<Member, number>()

  constructor(keyOf: (member: Member) => number) {
    this.#keyOf = keyOf
  }

  get size(): number {
    return this.#entries.length
  }

  /** Does nothing for one who is in already. */
  add(member: Member): void {
    if (this.#places.has(member)) return
    this.#entries.push({ member, key: this.#keyOf(member) })
    this.#places.set(member, this.#entries.length - 1)
    this.#rise(this.#entries.length - 1)
  }

  /** Does nothing for one who is not in. */
  remove(member: Member): void {
    const at = this.#places.get(member)
    if (at === undefined) return
    this.#places.delete(member)
    const last = this.#entries.pop()
    if (!last || last.member === member) return
    this.#put(last, at)
    this.#rise(at)
    this.#sink(at)
  }

  /** The member with the lowest key of those that will do. Whoever does not belong here any more leaves. */
  lowest(
    belongs: (member: Member) => boolean,
    willDo: (member: Member) => boolean = () => true,
  ): Member | undefined {
    const passedOver: Member[] = []
    let found: Member | undefined
    for (let top = this.#top(); top !== undefined && found === undefined; top = this.#top()) {
      if (belongs(top) && willDo(top)) found = top
      else {
        if (belongs(top)) passedOver.push(top)
        this.remove(top)
      }
    }
    for (const member of passedOver) this.add(member)
    return found
  }

  /** Notes present keys from the top down until the one at the top is right. */
  #top(): Member | undefined {
    for (let top = this.#entries[0]; top; top = this.#entries[0]) {
      const key = this.#keyOf(top.member)
      if (key <= top.key) return top.member
      top.key = key
      this.#sink(0)
    }
    return undefined
  }

  #rise(from: number): void {
    let at = from
    while (at > 0) {
      const above = (at - 1) >> 1
      if (this.#keyAt(above) <= this.#keyAt(at)) return
      this.#swap(at, above)
      at = above
    }
  }

  #sink(from: number): void {
    let at = from
    for (;;) {
      const left = 2 * at + 1
      const lower = this.#keyAt(left + 1) < this.#keyAt(left) ? left + 1 : left
      if (this.#keyAt(at) <= this.#keyAt(lower)) return
      this.#swap(at, lower)
      at = lower
    }
  }

  #keyAt(at: number): number {
    return this.#entries[at]?.key ?? Number.POSITIVE_INFINITY
  }

  #swap(a: number, b: number): void {
    const [x, y] = [this.#entries[a], this.#entries[b]]
    if (!x || !y) return
    this.#put(x, b)
    this.#put(y, a)
  }

  #put(entry: { readonly member: Member; key: number }, at: number): void {
    this.#entries[at] = entry
    this.#places.set(entry.member, at)
  }
}
