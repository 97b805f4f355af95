/**
 * Runs the same work once, however many ask for it at the same time. Nobody's abort reaches the work: each
 * caller stops waiting on its own, and the others still get the answer.
 */
export class SingleFlight<T> {
  readonly #flights = new Map<string, Promise<T>>()

  get size(): number {
    return this.#flights.size
  }

  has(key: string): boolean {
    return this.#flights.has(key)
  }

  run(key: string, work: () => Promise<T>): Promise<T> {
    const flying = this.#flights.get(key)
    if (flying !== undefined) return flying
    const flight = work().finally(() => this.#flights.delete(key))
    this.#flights.set(key, flight)
    return flight
  }
}
