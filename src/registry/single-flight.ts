interface Flight<T> {
  readonly result: Promise<T>
  isOvertaken: boolean
}

/**
 * Runs the same work once, however many ask for it at the same time. Nobody's abort reaches the work: each
 * caller stops waiting on its own, and the others still get the answer. Work of one key never overlaps.
 */
export class SingleFlight<T> {
  readonly #flights = new Map<string, Flight<T>>()

  get size(): number {
    return this.#flights.size
  }

  has(key: string): boolean {
    return this.#flights.has(key)
  }

  /** What is under way began before something that later callers must see: they get the answer of the next. */
  overtake(key: string): void {
    const flying = this.#flights.get(key)
    if (flying) flying.isOvertaken = true
  }

  overtakeAll(): void {
    for (const key of this.#flights.keys()) this.overtake(key)
  }

  run(key: string, work: () => Promise<T>): Promise<T> {
    const flying = this.#flights.get(key)
    if (flying === undefined) return this.#start(key, work)
    if (!flying.isOvertaken) return flying.result
    const again = () => this.run(key, work)
    return flying.result.then(again, again)
  }

  #start(key: string, work: () => Promise<T>): Promise<T> {
    const result = work().finally(() => this.#flights.delete(key))
    this.#flights.set(key, { result, isOvertaken: false })
    return result
  }
}
