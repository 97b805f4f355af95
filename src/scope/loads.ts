interface Load {
  readonly group: string
  readonly entry: string
  readonly result: Promise<string | undefined>
}

/** Loads under way in this process: who asks for the same meanwhile gets the same answer. */
export class Loads {
  readonly #loads = new Map<string, Load>()

  /**
   * @param entry what is loaded, of `group`.
   * @param mark what the caller found in its place: a load that began before a change is not joined after it.
   */
  run(
    group: string,
    entry: string,
    mark: string,
    work: () => Promise<string | undefined>,
  ): Promise<string | undefined> {
    const key = `${entry} ${mark}`
    const present = this.#loads.get(key)
    if (present) return present.result
    const result = work().finally(() => {
      if (this.#loads.get(key)?.result === result) this.#loads.delete(key)
    })
    this.#loads.set(key, { group, entry, result })
    return result
  }

  /** Nobody joins what is under way any more: of one entry, or of all of the group. */
  part(group: string, entry?: string): void {
    for (const [key, load] of this.#loads) {
      if (load.group === group && (entry === undefined || load.entry === entry)) this.#loads.delete(key)
    }
  }
}
